package projections

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARebuildRestsWhileTheInstanceIsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busyUntil := time.Now()
		p := &Projections{config: Config{Busy: func() bool { return time.Now().Before(busyUntil) }}}
		rests := func(r run, worked time.Duration) time.Duration {
			r.projections, r.deadline = p, time.Now().Add(10*time.Second)
			began := time.Now()
			r.giveWay(t.Context(), worked)
			return time.Since(began)
		}
		require.Zero(t, rests(run{rests: true}, time.Second), "nobody is held up")
		busyUntil = time.Now().Add(20 * time.Millisecond)
		require.Zero(t, rests(run{}, time.Second), "a live version keeps up")
		require.Equal(t, 20*time.Millisecond, rests(run{rests: true}, time.Second), "no longer than it is busy")
		busyUntil = time.Now().Add(time.Hour)
		require.Equal(t, 90*time.Millisecond, rests(run{rests: true}, 10*time.Millisecond), "but for a tenth of the time")
		require.Equal(t, 10*time.Second, rests(run{rests: true}, time.Minute), "and no longer than the run may take")
	})
}
