package linearizability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/topics"
	"eventstore/test/faults/report"
)

// The bugs that a checker must find, one in each build.
const (
	sound          = ""
	ackThenLose    = "acknowledges and loses"
	doubleOnRetry  = "stores a retry again"
	staleRead      = "answers an old read"
	twoWinners     = "forgets a condition"
	reorder        = "reads in another order"
	idAcceptedTwo  = "accepts an id twice"
	mostHistories  = 40
	aFewOperations = 15
)

// A checker that never rejects proves nothing: each bug is found, and where there is none, none is.
func TestTheCheckerFindsSeededBugs(t *testing.T) {
	t.Parallel()
	row := report.Begin(t, "seeded bugs", "memory")
	for _, bug := range []string{ackThenLose, doubleOnRetry, staleRead, twoWinners, reorder, idAcceptedTwo} {
		row.Inject(1)
		require.True(t, found(t, bug), "the checker did not find the bug that %s", bug)
		row.Count("caught", 1)
	}
	for range 20 {
		h := recordBuild(t, sound, "sound")
		require.Equal(t, porcupine.Ok, h.check(time.Minute), "the sound build was rejected")
		row.Count("sound histories accepted", 1)
	}
}

// found reports whether a history of a build with a bug was rejected, of some.
func found(t *testing.T, bug string) bool {
	t.Helper()
	for i := range mostHistories {
		if recordBuild(t, bug, fmt.Sprint(bug, i)).check(5*time.Second) == porcupine.Illegal {
			return true
		}
	}
	return false
}

func recordBuild(t *testing.T, bug, salt string) *history {
	t.Helper()
	b := newBuild(t, bug)
	return record(b, 4, aFewOperations, func(client int) *rand.Rand { return report.Random(t, salt, fmt.Sprint(client)) })
}

// build is the publisher over a log in memory, with a bug.
type build struct {
	t         *testing.T
	bug       string
	publisher *commands.Publisher
	log       core.Log

	mu    sync.Mutex
	calls int    // guarded by mu
	old   output // guarded by mu; what a read has answered before
}

func newBuild(t *testing.T, bug string) *build {
	t.Helper()
	adapter := new(memory.Topics)
	registry := topics.New(topics.Config{Documents: new(memory.Documents), Default: "memory", Adapters: map[string]topics.Adapter{"memory": adapter}})
	config, _, err := registry.Create(t.Context(), core.TopicConfig{Name: "orders"})
	require.NoError(t, err)
	log, _, err := adapter.Open(t.Context(), config, "")
	require.NoError(t, err)
	publisher := commands.New(registry, commands.Config{})
	t.Cleanup(publisher.Close)
	return &build{t: t, bug: bug, publisher: publisher, log: log}
}

// strikes reports whether the bug shows at this call: at each third.
func (b *build) strikes(bug string) bool {
	if b.bug != bug {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	return b.calls%3 == 0
}

func (b *build) publish(client int, in input) output {
	if b.strikes(ackThenLose) {
		now, err := b.head(client)
		require.NoError(b.t, err)
		return output{verdict: stored, first: now.head + 1}
	}
	if b.strikes(twoWinners) {
		in.expected, in.failSubject = -1, ""
	}
	out := b.send(in)
	if out.verdict == duplicate && b.bug == doubleOnRetry {
		b.send(alias(in))
	}
	if out.verdict == duplicate && b.bug == idAcceptedTwo {
		return b.send(alias(in))
	}
	return out
}

// alias is a request whose events are read as those of another.
func alias(in input) input {
	in.name = fmt.Sprintf("%d~%s", rand.Uint64(), in.name)
	in.expected, in.failSubject = -1, ""
	return in
}

func (b *build) send(in input) output {
	request := commands.Request{Condition: core.Condition{After: core.Position(in.after)}}
	for n := range in.events {
		request.Events = append(request.Events, core.Event{ID: fmt.Sprintf("%s-%d", in.name, n), Type: "T", Subject: in.subject, Data: fmt.Sprint(in.content)})
	}
	if in.expected >= 0 {
		expected := core.Position(in.expected)
		request.Condition.Head = &expected
	}
	if in.failSubject != "" {
		request.Condition.FailIfMatch = []core.Item{{Subjects: []string{in.failSubject}}}
	}
	result, err := b.publisher.Publish(context.Background(), "orders", request)
	var conflict *commands.IDConflictError
	var condition *commands.ConditionError
	switch {
	case errors.As(err, &conflict):
		return output{verdict: idConflict}
	case errors.As(err, &condition):
		return output{verdict: conditionFailed}
	case err != nil:
		return output{verdict: unknown}
	case result.Events[0].Duplicate:
		return output{verdict: duplicate, first: int(result.First)}
	}
	return output{verdict: stored, first: int(result.First)}
}

func (b *build) read(int) (output, error) {
	var events []core.Event
	for e, err := range b.log.Read(context.Background(), core.Query{}) {
		if err != nil {
			return output{}, err
		}
		if _, real, is := strings.Cut(e.ID, "~"); is {
			e.ID = real
		}
		events = append(events, e)
	}
	if n := len(events); n > 1 && b.strikes(reorder) {
		events[n-1], events[n-2] = events[n-2], events[n-1]
	}
	out := output{head: len(events)}
	for i, e := range events {
		content := 0
		fmt.Sscan(e.Data, &content)
		out.digest = chain(out.digest, e.ID, e.Subject, content)
		if name, first := strings.CutSuffix(e.ID, "-0"); first {
			out.seen = append(out.seen, seen{key{name, content}, i + 1})
		}
	}
	strikes := b.strikes(staleRead)
	b.mu.Lock()
	defer b.mu.Unlock()
	if strikes {
		return b.old, nil
	}
	b.old = out
	return out, nil
}

func (b *build) head(int) (output, error) {
	now, err := b.log.Head(context.Background())
	return output{head: int(now.Position)}, err
}
