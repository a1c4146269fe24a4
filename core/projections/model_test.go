package projections_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/core/coretest"
	"eventstore/core/projections"
)

// TestWhateverHappensReadersSeeTheFold does anything in any order, over two instances whose storage fails now and then, and looks
// after each reader whether it sees the plain fold of the definition that is live, up to the head.
func TestWhateverHappensReadersSeeTheFold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := newStore(t, "orders")
		flaky := &coretest.FlakyDocuments{Documents: s.documents}
		failing := &store{t: t, registry: s.registry, documents: flaky}
		instances := []*projections.Projections{failing.instance(small), failing.instance(small)}
		published, put := 0, 0
		any := func() *projections.Projections { return instances[rapid.IntRange(0, 1).Draw(rt, "instance")] }
		flaky.Script = now(0.03)
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				n := rapid.IntRange(1, 60).Draw(rt, "events")
				s.append("orders", sequence(published, n)...)
				published += n
			},
			"put": func(rt *rapid.T) {
				factor := rapid.IntRange(1, 3).Draw(rt, "definition")
				d := times(factor, "orders")
				if factor == 1 {
					d = tallied("orders")
				}
				if _, err := any().Put(t.Context(), "tally", d); err == nil {
					put++
				}
			},
			"project":  func(*rapid.T) { _ = any().Project(t.Context()) },
			"rebuilds": func(*rapid.T) { _ = any().Rebuilds(t.Context()) },
			"rebuild":  func(*rapid.T) { _, _ = any().Rebuild(t.Context(), "tally") },
			"rollback": func(*rapid.T) {
				p := any()
				if status, err := p.Status(t.Context(), "tally"); err == nil && status.Previous > 0 {
					_ = p.Rollback(t.Context(), "tally", status.Previous)
				}
			},
			"kill": func(rt *rapid.T) {
				after := time.Duration(rapid.IntRange(0, 2000).Draw(rt, "µs")) * time.Microsecond
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				p := any()
				_, _ = p.Project(ctx), p.Rebuilds(ctx)
			},
			"delete": func(*rapid.T) { _ = any().Delete(t.Context(), "tally") },
			"": func(rt *rapid.T) {
				flaky.Script = nil
				defer func() { flaky.Script = now(0.03) }()
				checkReader(t, s, any(), published)
			},
		})
	})
}

// checkReader compares all documents, read at the head, with the fold of whichever of the definitions is live.
func checkReader(t *testing.T, s *store, p *projections.Projections, published int) {
	t.Helper()
	if _, err := p.Status(t.Context(), "tally"); err != nil {
		require.ErrorIs(t, err, projections.ErrNotFound)
		return
	}
	fresh := projections.Fresh{At: projections.Positions{}, Wait: time.Minute}
	if published > 0 {
		fresh.At["orders"] = positionOf(published)
	}
	page, err := p.List(t.Context(), "tally", projections.PageQuery{Limit: 1000}, fresh)
	require.NoError(t, err)
	got := map[string]string{}
	for _, d := range page.Documents {
		got[d.Key] = d.Value
	}
	for factor := 1; factor <= 3; factor++ {
		if fmt.Sprint(got) == fmt.Sprint(s.modelTimes(factor, "orders")) {
			return
		}
	}
	require.Equal(t, s.model("orders"), got, "no definition makes this")
}
