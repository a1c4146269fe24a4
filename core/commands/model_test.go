package commands_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
)

// model is what a topic holds, in the simplest way there is.
type model struct{ events []core.Event }

func (m *model) head() core.Position { return core.Position(len(m.events)) }

func (m *model) find(id string) (core.Position, bool) {
	i := slices.IndexFunc(m.events, func(e core.Event) bool { return e.ID == id })
	return core.Position(i + 1), i >= 0
}

// publish is the contract: what the answer is, and what is stored then.
func (m *model) publish(request commands.Request) (stored []commands.Stored, fresh []core.Event, verdict string) {
	places := map[string]int{}
	for i, e := range request.Events {
		if at, ok := m.find(e.ID); ok {
			if !e.SameContent(&m.events[at-1]) {
				return nil, nil, "conflict"
			}
			stored = append(stored, commands.Stored{ID: e.ID, Position: at, Duplicate: true})
			continue
		}
		if first, ok := places[e.ID]; ok {
			if !e.SameContent(&request.Events[first]) {
				return nil, nil, "conflict"
			}
			stored = append(stored, commands.Stored{ID: e.ID, Position: stored[first].Position, Duplicate: true})
			continue
		}
		places[e.ID] = i
		fresh = append(fresh, e)
		stored = append(stored, commands.Stored{ID: e.ID, Position: m.head() + core.Position(len(fresh))})
	}
	if len(fresh) > 0 && !m.holds(request.Condition) {
		return nil, nil, "condition"
	}
	return stored, fresh, ""
}

func (m *model) holds(condition core.Condition) bool {
	if condition.Head != nil && *condition.Head != m.head() {
		return false
	}
	for i := range m.events {
		if core.Position(i+1) > condition.After && slices.ContainsFunc(condition.FailIfMatch, func(item core.Item) bool { return item.Match(&m.events[i]) }) {
			return false
		}
	}
	return true
}

func drawRequest(t *rapid.T, head core.Position) commands.Request {
	few := func(what string, n int) string { return fmt.Sprint(what, rapid.IntRange(0, n-1).Draw(t, what)) }
	var request commands.Request
	for range rapid.IntRange(1, 3).Draw(t, "events") {
		e := core.Event{ID: few("id-", 25), Type: few("Type", 3), Source: "/s", Subject: few("subject-", 4), Data: few("", 2)}
		if rapid.Bool().Draw(t, "tagged") {
			e.Tags = []string{few("tag-", 3)}
		}
		request.Events = append(request.Events, e)
	}
	if rapid.IntRange(0, 3).Draw(t, "has head") == 0 {
		want := max(0, head+core.Position(rapid.IntRange(-1, 1).Draw(t, "head")))
		request.Condition.Head = &want
	}
	if rapid.Bool().Draw(t, "has items") {
		request.Condition.After = max(0, head-core.Position(rapid.IntRange(-1, 6).Draw(t, "after")))
		item := core.Item{Subjects: []string{few("subject-", 4)}}
		if rapid.Bool().Draw(t, "by tag") {
			item = core.Item{Types: []string{few("Type", 3)}, Tags: []string{few("tag-", 3)}}
		}
		request.Condition.FailIfMatch = []core.Item{item}
	}
	return request
}

// faults is a script that plays a drawn list of faults, and passes when it is through.
type faults struct {
	list []coretest.Fault
	next atomic.Int64
}

func (f *faults) play(string) coretest.Fault {
	if n := int(f.next.Add(1)) - 1; n < len(f.list) {
		return f.list[n]
	}
	return coretest.Pass
}

// TestModel publishes random requests through several instances, whose calls fail at random before
// and after their effect, and holds each answer and what is stored against the model.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s, m := newShared(), new(model)
		var instances []*instance
		for _, window := range []int{1, 4, 1000} {
			instances = append(instances, s.instance(t, commands.Config{Window: window, Backoff: time.Microsecond}))
		}
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				i := rapid.SampledFrom(instances).Draw(rt, "instance")
				i.log.Script = nil
				m.step(rt, s, i, drawRequest(rt, m.head()), false)
			},
			"publish with faults": func(rt *rapid.T) {
				i := rapid.SampledFrom(instances).Draw(rt, "instance")
				f := &faults{list: rapid.SliceOfN(rapid.SampledFrom([]coretest.Fault{coretest.Pass, coretest.FailBefore, coretest.FailAfter}), 1, 25).Draw(rt, "faults")}
				i.log.Script = f.play
				m.step(rt, s, i, drawRequest(rt, m.head()), true)
				i.log.Script = nil
			},
			"": func(rt *rapid.T) { require.Len(rt, s.stored(t), len(m.events)) },
		})
	})
}

// step publishes a request and compares.
func (m *model) step(t *rapid.T, s *shared, i *instance, request commands.Request, faulty bool) {
	want, fresh, verdict := m.publish(request)
	result, err := i.Publish(t.Context(), "orders", request)
	var conflict *commands.IDConflictError
	var condition *commands.ConditionError
	var outcome *commands.OutcomeError
	switch {
	case errors.As(err, &outcome):
		if !faulty {
			t.Fatalf("%v, without a fault", err)
		}
		head, _ := s.log.Head(t.Context())
		if kept := head.Position - m.head(); kept != 0 && (!outcome.Unknown || verdict != "" || int(kept) != len(fresh)) {
			t.Fatalf("%v, and %d of %d events are stored", err, kept, len(fresh))
		} else if kept == 0 {
			fresh = nil
		}
	case errors.As(err, &conflict):
		require.Equal(t, "conflict", verdict)
	case errors.As(err, &condition):
		require.Equal(t, "condition", verdict)
	default:
		require.NoError(t, err)
		require.Empty(t, verdict)
		require.Equal(t, want, result.Events)
	}
	m.events = append(m.events, fresh...)
}
