package javascript_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/javascript"
)

// Two definitions that loop, of one engine with one slot, take their second each after the other: the clock says two at least.
func TestAnEngineRunsNoMoreAtOnceThanItHasSlots(t *testing.T) {
	t.Parallel()
	engine := javascript.NewEngine(0)
	begun := time.Now()
	var looping sync.WaitGroup
	for range 2 {
		p, err := engine.Compile(t.Context(), `({ key: () => { for (;;); }, on: { OrderPlaced: () => 1 } })`)
		require.NoError(t, err)
		t.Cleanup(p.Close)
		looping.Go(func() {
			if _, err := p.Keys(t.Context(), sealed(1)); err == nil {
				t.Error("an endless loop has ended")
			}
		})
	}
	looping.Wait()
	require.GreaterOrEqual(t, time.Since(begun), 2*javascript.MaxTime)
}
