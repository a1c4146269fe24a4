package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/bench/report"
)

func TestQuantilesAreOfTheNearestRank(t *testing.T) {
	t.Parallel()
	upTo := func(n int) (took []time.Duration) {
		for i := n; i > 0; i-- { // not in order
			took = append(took, time.Duration(i)*time.Millisecond)
		}
		return took
	}
	for _, tt := range []struct {
		name string
		of   []time.Duration
		want tail
	}{
		{"nothing", nil, tail{}},
		{"one", upTo(1), tail{time.Millisecond, time.Millisecond, time.Millisecond}},
		{"two", upTo(2), tail{time.Millisecond, 2 * time.Millisecond, 2 * time.Millisecond}},
		{"a thousand", upTo(1000), tail{500 * time.Millisecond, 990 * time.Millisecond, 999 * time.Millisecond}},
		{"a thousand and one", upTo(1001), tail{501 * time.Millisecond, 991 * time.Millisecond, 1000 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tailOf(tt.of))
		})
	}
}

func TestTailsBecomeThreeLines(t *testing.T) {
	t.Parallel()
	lines := newTails()
	lines.add(64, tail{time.Millisecond, 2500 * time.Microsecond, 4 * time.Millisecond})
	require.Equal(t, tails{
		{Name: "p50", Points: []report.Point{{64, 1}}},
		{Name: "p99", Points: []report.Point{{64, 2.5}}},
		{Name: "p99.9", Points: []report.Point{{64, 4}}},
	}, lines)
}
