package main

import (
	"fmt"
	"slices"
	"time"

	"eventstore/test/bench/report"
)

// tail are the quantiles of a latency that are told.
type tail struct{ p50, p99, p999 time.Duration }

// tailOf takes the nearest rank: the least value that so much of all is not above. Nothing has a tail of 0.
func tailOf(took []time.Duration) tail {
	if len(took) == 0 {
		return tail{}
	}
	sorted := slices.Sorted(slices.Values(took))
	rank := func(perMille int) time.Duration { return sorted[max(0, (len(sorted)*perMille+999)/1000-1)] }
	return tail{rank(500), rank(990), rank(999)}
}

func (t tail) String() string {
	return fmt.Sprintf("p50 %.2f, p99 %.2f, p99.9 %.2f ms", milliseconds(t.p50), milliseconds(t.p99), milliseconds(t.p999))
}

// tails are the three lines of a plot of latencies over something.
type tails [3]report.Line

func newTails() tails { return tails{{Name: "p50"}, {Name: "p99"}, {Name: "p99.9"}} }

func (l *tails) add(x float64, t tail) {
	for i, took := range []time.Duration{t.p50, t.p99, t.p999} {
		l[i].Points = append(l[i].Points, report.Point{x, milliseconds(took)})
	}
}
