package queries_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/queries"
)

// hinting is a log that hears of other processes' appends by a channel of the test's.
type hinting struct {
	*memory.Log
	hints chan struct{}
}

func (h hinting) Watch(ctx context.Context) <-chan struct{} {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for {
			select {
			case _, open := <-h.hints:
				if !open {
					return
				}
				heard <- struct{}{}
			case <-ctx.Done():
				return
			}
		}
	}()
	return heard
}

func TestWaitingWakesByAHintOfAnotherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := hinting{new(memory.Log), make(chan struct{})}
		f := newFixture(t, log, queries.Config{PollMin: time.Hour, PollMax: time.Hour})
		go func() {
			time.Sleep(time.Second)
			log.hints <- struct{}{} // a hint about nothing is harmless
			time.Sleep(2 * time.Second)
			f.other(t, 0)
			log.hints <- struct{}{}
		}()
		start := time.Now()
		page, err := f.Page(t.Context(), "orders", queries.PageQuery{Wait: time.Minute})
		require.NoError(t, err)
		require.Equal(t, []core.Position{1}, positions(page.Events))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestWaitingGoesOnWithoutHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := hinting{new(memory.Log), make(chan struct{})}
		f := newFixture(t, log, queries.Config{})
		go func() {
			close(log.hints)
			time.Sleep(3 * time.Second)
			f.other(t, 0)
		}()
		start := time.Now()
		page, err := f.Page(t.Context(), "orders", queries.PageQuery{Wait: time.Minute})
		require.NoError(t, err)
		require.Len(t, page.Events, 1)
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
	})
}
