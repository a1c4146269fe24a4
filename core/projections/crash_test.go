package projections_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core/coretest"
	"eventstore/core/projections"
)

// small makes runs of few events, so that there are many.
func small(c *projections.Config) { c.StepEvents, c.Workers = 40, 1 }

// caughtUp drives a projection until nothing fails and nothing is left to fold.
func caughtUp(t *testing.T, p *projections.Projections, name string) projections.Status {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		if p.Project(t.Context()) != nil {
			continue
		}
		status, err := p.Status(t.Context(), name)
		require.NoError(t, err)
		behind := false
		for _, topic := range status.Topics {
			behind = behind || topic.Lag > 0
		}
		if !behind && status.State != projections.Failed {
			return status
		}
	}
	t.Fatal("it does not catch up")
	return projections.Status{}
}

// Each write of documents and checkpoints fails once before its effect, and once after it, in a run of its own; what is folded in the
// end is the plain fold.
func TestEveryWriteMayFailBeforeAndAfterItsEffect(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]coretest.Fault{"before": coretest.FailBefore, "after": coretest.FailAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "orders")
			s.append("orders", sequence(0, 200)...)
			want := s.model("orders")
			for n := int64(0); ; n++ {
				if !failsAt(t, s, n, fault, want) {
					require.Greater(t, n, int64(10))
					return
				}
			}
		})
	}
}

// failsAt makes a projection over what s has in documents of its own, of which write number n fails; it reports whether there
// was one.
func failsAt(t *testing.T, s *store, n int64, fault coretest.Fault, want map[string]string) bool {
	t.Helper()
	var calls atomic.Int64
	flaky := &coretest.FlakyDocuments{Documents: newStore(t).documents, Script: func(call string) coretest.Fault {
		if call == "Documents.Write" && calls.Add(1)-1 == n {
			return fault
		}
		return coretest.Pass
	}}
	own := &store{t: t, registry: s.registry, documents: flaky}
	p := own.instance(small)
	for range 10 {
		if _, err := p.Put(t.Context(), "tally", tallied("orders")); err == nil {
			break
		}
	}
	status := caughtUp(t, p, "tally")
	require.Equal(t, want, own.all(p, "tally"), "write %d failing", n)
	require.EqualValues(t, len(want), status.Documents, "write %d failing", n)
	return calls.Load() > n
}

// Fifty runs are cancelled wherever they are, by two instances that drive at once, over storage that fails now and then, while events come.
func TestKilledRunsLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders", "more")
	flaky := &coretest.FlakyDocuments{Documents: s.documents, Script: now(0.1)}
	failing := &store{t: t, registry: s.registry, documents: flaky}
	a, b := failing.instance(small), failing.instance(small)
	put(t, s.instance(), "tally", tallied("orders", "more"))
	var driving sync.WaitGroup
	for i, p := range []*projections.Projections{a, b} {
		driving.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for range 25 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20_000))*time.Microsecond)
				_ = p.Project(ctx) // it fails: that is the point
				cancel()
			}
		})
	}
	for i := range 30 {
		s.append("orders", sequence(i*40, 40)...)
		s.append("more", event(i, "Add", i, "of more"))
	}
	driving.Wait()
	flaky.Script = nil
	caughtUp(t, a, "tally")
	require.Equal(t, s.model("orders", "more"), s.all(b, "tally"))
}

// now is a script by which calls fail now and then, half of them after their effect.
func now(rate float64) coretest.Script {
	return func(call string) coretest.Fault {
		switch {
		case rand.Float64() > rate:
			return coretest.Pass
		case rand.IntN(2) == 0:
			return coretest.FailBefore
		}
		return coretest.FailAfter
	}
}
