package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/bench/report"
)

func TestALevelIsTheMedianOfItsPart(t *testing.T) {
	t.Parallel()
	var points []report.Point
	for i := range 100 {
		points = append(points, report.Point{float64(i), float64(i)})
	}
	require.Equal(t, 37.0, level(points, 0.25, 0.5))
	require.Equal(t, 87.0, level(points, 0.75, 1))
	require.Equal(t, 99.0, level(points, 0, 0), "the greatest of all")
	require.Equal(t, 0.0, level(points[:1], 0.25, 0.5), "one is its own median")
}

func TestWorkIsDoneAtEvenTimesAndWhatIsBehindCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mixed{duration: 10 * time.Second, begun: time.Now(), done: map[string]int{}}
		m.repeat("even", time.Second, func() error { return nil })
		stalled := false
		m.repeat("behind", time.Second, func() error {
			if !stalled {
				stalled = true
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		require.NoError(t, m.wait())
		require.Equal(t, map[string]int{"even": 10, "behind": 10}, m.done)
	})
}

func TestAllWorkEndsWhenOneFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mixed{duration: time.Hour, begun: time.Now(), done: map[string]int{}}
		m.repeat("well", time.Second, func() error { return nil })
		m.repeat("ill", time.Second, func() error { return errors.New("no more room") })
		require.EqualError(t, m.wait(), "ill: no more room")
		require.Less(t, time.Since(m.begun), time.Minute)
	})
}
