package commands_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core/commands"
	"eventstore/core/coretest"
	"eventstore/test/faults/report"
)

// Clocks of several instances jump by hours, step back by seconds and are minutes apart: order, positions and recorded times go on as if
// they did not. What is stored checks that.
func TestClocksThatJumpChangeNoOrder(t *testing.T) {
	t.Parallel()
	row, random := report.Begin(t, "clock jumps", "memory"), report.Random(t)
	s, clocks := newShared(), [3]time.Time{coretest.Start, coretest.Start.Add(10 * time.Minute), coretest.Start.Add(-10 * time.Minute)}
	var instances []*instance
	for i := range clocks {
		instances = append(instances, s.instance(t, commands.Config{Now: func() time.Time { return clocks[i] }}))
	}
	jumps := []time.Duration{time.Hour, -time.Hour, -time.Second, time.Second, -time.Microsecond, 0, 24 * time.Hour, -24 * time.Hour}
	want := 0
	for range report.Times(300, 2000) {
		i := random.IntN(len(clocks))
		clocks[i] = clocks[i].Add(jumps[random.IntN(len(jumps))])
		n := 1 + random.IntN(3)
		require.EqualValues(t, want+1, instances[i].publish(t, events(n)...).First)
		want += n
		row.Inject(1)
		row.Acknowledge(n)
	}
	require.Len(t, s.stored(t), want)
}
