package projections_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/projections"
)

func TestEachRunIsToldWithWhatItFolded(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	var mu sync.Mutex
	var runs []projections.Run
	p := s.instance(func(c *projections.Config) {
		c.Ran = func(_ context.Context, r projections.Run) {
			mu.Lock()
			defer mu.Unlock()
			runs = append(runs, r)
		}
	})
	take := func() projections.Run {
		t.Helper()
		require.NoError(t, p.Project(t.Context()))
		mu.Lock()
		defer mu.Unlock()
		require.NotEmpty(t, runs)
		last := runs[len(runs)-1]
		runs = nil
		return last
	}
	source := `({key: e => e.subject, on: {A: (doc, e) => { if (e.data.bad) throw new Error("bad"); return {n: (doc?.n ?? 0) + 1} }}})`
	_, err := p.Put(t.Context(), "counts", projections.Definition{Topics: []string{"orders"}, Source: source})
	require.NoError(t, err)
	event := func(id, data string) core.Event {
		return core.Event{ID: id, Type: "A", Source: "/t", Subject: "s", DataContentType: core.DefaultContentType, Data: data}
	}
	s.append("orders", event("1", `{}`), event("2", `{}`))
	first := take()
	require.Equal(t, "counts", first.Projection)
	require.Equal(t, 2, first.Events)
	require.Equal(t, projections.Positions{"orders": 2}, first.To)
	require.Zero(t, first.From["orders"])
	require.False(t, first.Failed || first.Paused || first.More || first.Rebuild)
	require.False(t, first.Began.IsZero())

	s.append("orders", event("3", `{"bad":true}`))
	failing := take()
	require.True(t, failing.Failed)
	require.Equal(t, projections.Positions{"orders": 2}, failing.To)
	since, err := failing.Waiting(t.Context(), "orders")
	require.NoError(t, err)
	require.False(t, since.IsZero())

	require.NoError(t, p.Pause(t.Context(), "counts"))
	require.True(t, take().Paused)
}
