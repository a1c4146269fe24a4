package projections_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/projections"
)

// strict fails at events whose n is 13.
func strict() projections.Handler {
	return projections.Typed("strict", nil, func(e *core.Event) ([]string, error) { s, err := stepOf(e); return s.Keys, err },
		func(doc *tally, e *core.Event) (*tally, error) {
			s, err := stepOf(e)
			if err != nil || s.N == 13 {
				return nil, errors.Join(err, errors.New("thirteen"))
			}
			if s.N == 14 {
				panic("fourteen")
			}
			return foldTally(doc, e)
		})
}

func withStrict(c *projections.Config) { c.Handlers = append(c.Handlers, strict()) }

func TestAFailingEventStopsItsProjectionThereAndNoOther(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	clock := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p := s.instance(withStrict, func(c *projections.Config) {
		c.Now = func() time.Time { return clock }
		c.Backoff, c.MaxBackoff = time.Second, 5*time.Second
	})
	put(t, p, "strict", projections.Definition{Topics: []string{"orders"}, Handler: "strict"})
	put(t, p, "tally", tallied("orders"))
	s.append("orders", event(1, "Add", 1, "a"), event(2, "Add", 2, "b", "a"), event(3, "Add", 13, "a"), event(4, "Add", 4, "b"))
	for attempt, wait := range []time.Duration{1, 2, 4, 5, 5} {
		require.NoError(t, p.Project(t.Context()))
		require.NoError(t, p.Project(t.Context()), "before its time it is not tried again")
		status, err := p.Status(t.Context(), "strict")
		require.NoError(t, err)
		require.Equal(t, projections.Failed, status.State)
		require.Equal(t, projections.TopicStatus{Position: 2, Head: 4, Lag: 2}, status.Topics["orders"])
		require.Equal(t, &projections.LastError{Topic: "orders", Position: 3, Version: 1, Message: "thirteen", Attempts: attempt + 1,
			NextAttempt: core.FormatTime(clock.Add(wait * time.Second))}, status.LastError)
		clock = clock.Add(wait * time.Second)
	}
	require.Equal(t, s.model("orders"), s.all(p, "tally"))
	trouble, err := p.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"tally": "", "strict": `version 1 fails at position 3 of the topic "orders": thirteen`}, trouble)
}

func TestASkipIsForTheFailingEventAndRecorded(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance(withStrict)
	put(t, p, "strict", projections.Definition{Topics: []string{"orders"}, Handler: "strict"})
	s.append("orders", event(1, "Add", 1, "a"), event(2, "Add", 13, "a"), event(3, "Add", 14, "a"), event(4, "Add", 4, "a"))
	require.NoError(t, p.Project(t.Context()))
	for _, wrong := range []core.Position{1, 3, 4} {
		require.Error(t, p.Skip(t.Context(), "strict", "orders", wrong))
	}
	require.Error(t, p.Skip(t.Context(), "strict", "other", 2))
	require.NoError(t, p.Skip(t.Context(), "strict", "orders", 2))
	require.NoError(t, p.Skip(t.Context(), "strict", "orders", 2), "a repeated skip is the same skip")
	require.NoError(t, p.Project(t.Context()))
	status, err := p.Status(t.Context(), "strict")
	require.NoError(t, err)
	require.Contains(t, status.LastError.Message, "panicked: fourteen")
	require.NoError(t, p.Skip(t.Context(), "strict", "orders", 3))
	require.NoError(t, p.Project(t.Context()))
	d, err := p.Get(t.Context(), "strict", "a", projections.Fresh{})
	require.NoError(t, err)
	require.Contains(t, d.Value, `{"n":2,"sum":5`)
	_, err = p.Rebuild(t.Context(), "strict")
	require.NoError(t, err)
	status = rebuilt(t, p, "strict")
	require.Equal(t, 2, status.Version, "a rebuild skips what was skipped")
	require.Len(t, status.Skipped, 2)
}

func TestAPausedProjectionStandsStillUntilItIsResumed(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance()
	put(t, p, "tally", tallied("orders"))
	require.NoError(t, p.Pause(t.Context(), "tally"))
	s.append("orders", event(1, "Add", 1, "a"))
	require.NoError(t, p.Project(t.Context()))
	var behind *projections.BehindError
	_, err := p.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"": 1}})
	require.ErrorAs(t, err, &behind)
	require.Equal(t, projections.Positions{"orders": 0}, behind.Position)
	require.NoError(t, p.Resume(t.Context(), "tally"))
	_, err = p.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"": 1}})
	require.NoError(t, err)
}

// stuckDocuments answers a number of readings of a projection, and then none before its caller gives up.
type stuckDocuments struct {
	core.Documents
	left atomic.Int64
}

func (d *stuckDocuments) Get(ctx context.Context, collection, key string) (core.Document, error) {
	if collection == "projections" && d.left.Add(-1) < 0 {
		<-ctx.Done()
		return core.Document{}, ctx.Err()
	}
	return d.Documents.Get(ctx, collection, key)
}

func TestAReaderWhoseTimeRunsOutWhileAnythingIsReadIsToldSo(t *testing.T) {
	t.Parallel()
	for answered := range 6 {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(t, "orders")
			put(t, s.instance(), "tally", tallied("orders"))
			p := s.instance(func(c *projections.Config) {
				stuck := &stuckDocuments{Documents: c.Documents}
				stuck.left.Store(int64(answered) + 1)
				c.Documents = stuck
			})
			_, err := p.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"": 1}, Wait: 10 * time.Second})
			require.ErrorAs(t, err, new(*projections.BehindError))
		})
	}
}

// A thousand rounds of publish, and read with at-least at another instance: never stale.
func TestAnotherInstanceReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	a, b := s.instance(), s.instance()
	put(t, a, "tally", tallied("orders"))
	for i := range 1000 {
		s.append("orders", event(i, "Add", 1, "a"))
		reader := []*projections.Projections{a, b}[i%2]
		d, err := reader.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"orders": core.Position(i + 1)}})
		require.NoError(t, err)
		require.Contains(t, d.Value, fmt.Sprintf(`{"n":%d,`, i+1))
	}
}

func TestAReaderWaitsForWhatIsNotThereYet(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance()
	put(t, p, "tally", tallied("orders"))
	read := make(chan error, 1)
	go func() {
		_, err := p.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"": 1}, Wait: time.Minute})
		read <- err
	}()
	s.append("orders", event(1, "Add", 1, "a"))
	require.NoError(t, <-read)
}

// A nudge after a publish is enough to fold it; a projection that never ends does not keep the others waiting.
func TestANudgeFoldsWhatWasPublished(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stuck atomic.Bool
	slow := projections.Typed("slow", nil, func(e *core.Event) ([]string, error) { return []string{"a"}, nil },
		func(doc *int, e *core.Event) (*int, error) { stuck.Store(true); <-ctx.Done(); return nil, ctx.Err() })
	p := s.instance(func(c *projections.Config) { c.Handlers = append(c.Handlers, slow); c.Workers = 2 })
	put(t, p, "slow", projections.Definition{Topics: []string{"orders"}, Handler: "slow"})
	put(t, p, "tally", tallied("orders"))
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	for i := range 20 {
		s.append("orders", event(i, "Add", 1, "a"))
		p.Nudge("orders", core.Position(i+1))
		require.Eventually(t, func() bool {
			d, err := p.Get(t.Context(), "tally", "a", projections.Fresh{})
			return err == nil && d.Position["orders"] == core.Position(i+1)
		}, 20*time.Second, time.Millisecond)
	}
	require.True(t, stuck.Load())
	cancel()
	<-ended
}

// Two instances that hold no lease work at once and lose nothing; one that sees a lease leaves the work, unless its end is too far ahead
// to be one.
func TestALeaseOnlySparesWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		until time.Duration
		folds bool
	}{"a lease": {4 * time.Second, false}, "one that has ended": {-time.Second, true}, "one that ends too far ahead": {time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "orders")
			p := s.instance()
			put(t, p, "tally", tallied("orders"))
			s.append("orders", event(1, "Add", 1, "a"))
			lease := fmt.Sprintf(`{"owner":"another","until":%q}`, time.Now().Add(tt.until).Format(time.RFC3339Nano))
			_, err := s.documents.Write(t.Context(), core.Write{Collection: "projection-leases", Key: "tally/1", Value: []byte(lease)})
			require.NoError(t, err)
			require.NoError(t, p.Project(t.Context()))
			status, err := p.Status(t.Context(), "tally")
			require.NoError(t, err)
			require.Equal(t, tt.folds, status.Topics["orders"].Lag == 0)
			_, err = p.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"": 1}})
			require.NoError(t, err, "a reader waits for no lease")
		})
	}
}

// What one projection costs in operations of storage: per run two reads and one write beside its documents.
func TestWhatARunCosts(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	calls := map[string]int{}
	flaky := &coretest.FlakyDocuments{Documents: s.documents, Script: func(call string) coretest.Fault { calls[call]++; return coretest.Pass }}
	p := (&store{t: t, registry: s.registry, documents: flaky}).instance(func(c *projections.Config) { c.Workers = 1 })
	put(t, p, "tally", tallied("orders"))
	require.NoError(t, p.Project(t.Context()))
	s.append("orders", sequence(0, 1000)...)
	clear(calls)
	flaky.Writes.Store(0)
	require.NoError(t, p.Project(t.Context()))
	require.LessOrEqual(t, calls["Documents.Write"], 2, "one call for the documents, one for the checkpoint")
	require.LessOrEqual(t, calls["Documents.Get"], 4)
	require.LessOrEqual(t, flaky.Writes.Load(), int64(len(s.model("orders"))+10))
	clear(calls)
	require.NoError(t, p.Project(t.Context()))
	require.Zero(t, calls["Documents.Write"], "a run with nothing to do writes nothing")
}

func TestHealthTellsOfAProjectionThatStandsStill(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	clock := time.Now()
	p := s.instance(func(c *projections.Config) { c.Now = func() time.Time { return clock } })
	put(t, p, "tally", tallied("orders"))
	s.append("orders", event(1, "Add", 1, "a"))
	trouble, err := p.Health(t.Context())
	require.NoError(t, err)
	require.Empty(t, trouble["tally"])
	clock = clock.Add(6 * time.Minute)
	trouble, err = p.Health(t.Context())
	require.NoError(t, err)
	require.Contains(t, trouble["tally"], "no progress")
	require.NoError(t, p.Project(t.Context()))
	trouble, err = p.Health(t.Context())
	require.NoError(t, err)
	require.Empty(t, trouble["tally"])
}

// A definition that this binary can't run, for its handler is gone, is told as any other failure.
func TestAHandlerThatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	put(t, s.instance(withStrict), "strict", projections.Definition{Topics: []string{"orders"}, Handler: "strict"})
	p := s.instance()
	require.NoError(t, p.Project(t.Context()))
	status, err := p.Status(t.Context(), "strict")
	require.NoError(t, err)
	require.Equal(t, projections.Failed, status.State)
	require.Contains(t, status.LastError.Message, `no handler "strict"`)
	require.NoError(t, s.instance(withStrict).Project(t.Context()))
	status, err = p.Status(t.Context(), "strict")
	require.NoError(t, err)
	require.Equal(t, projections.Running, status.State, "an instance that has it goes on")
}

func TestWhatAnotherInstanceMadeIsNotTakenForMissing(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	a, b := s.instance(), s.instance()
	put(t, a, "tally", tallied("orders"))
	fold := func(p *projections.Projections, e core.Event) {
		t.Helper()
		s.append("orders", e)
		require.NoError(t, p.Project(t.Context()))
	}
	fold(a, event(1, "Add", 1, "a"))
	fold(b, event(2, "Add", 2, "b"))
	fold(a, event(3, "Drop", 0, "b"))
	fold(a, event(4, "Drop", 0, "c"))
	fold(b, event(5, "Add", 5, "c"))
	fold(a, event(6, "Drop", 0, "c"))
	require.Equal(t, s.model("orders"), s.all(a, "tally"))
}
