package commands

import (
	"math/rand/v2"
	"time"
)

const (
	// aloneAppends and sharedAppends are how many appends an instance makes in a row before it pauses:
	// where it has met no other instance lately, and where it has.
	aloneAppends, sharedAppends = 512, 8
	// sharedFor is how long another instance counts as being there after it was met.
	sharedFor = 10 * time.Second
	// pauseAppends is how many appends long the shortest pause is: one that lost reads what was added, and
	// appends. It may be farther from the storage, so a pause is up to 2^pauseDoublings times as long.
	pauseAppends, pauseDoublings = 4, 3
	// longestPause bounds a pause, whatever an append takes.
	longestPause = 500 * time.Millisecond
	// shortestPause is below what is worth a pause: an append that fast is to memory, which one process has.
	shortestPause = 500 * time.Microsecond
)

// turns makes the instances that append to one log take turns. Whoever appended last needs no reading
// before it appends again, so that under a steady load it always wins: the others would starve. So an
// instance pauses after so many appends in a row. Alone, that costs it about 3 % of the time.
type turns struct {
	took  time.Duration // the last append
	ended time.Time     // the last append
	row   int           // appends in a row
	met   time.Time     // when another instance's append was last in the way
}

// appended notes an append that began then and has just ended.
func (t *turns) appended(began time.Time) {
	if t.paused(began) {
		t.row = 0
	}
	t.ended = time.Now()
	t.took = t.ended.Sub(began)
	t.row++
}

// paused reports whether the time since the last append was as good as a pause.
func (t *turns) paused(now time.Time) bool { return now.Sub(t.ended) >= t.pause() }

// lost notes that another instance was first.
func (t *turns) lost() {
	t.met, t.row = time.Now(), 0
}

// pause is the shortest.
func (t *turns) pause() time.Duration { return min(pauseAppends*t.took, longestPause) }

// yield pauses if it is others' turn.
func (t *turns) yield() {
	most := aloneAppends
	if !t.met.IsZero() && time.Since(t.met) < sharedFor {
		most = sharedAppends
	}
	if t.row < most {
		return
	}
	t.row = 0
	if pause := t.pause(); pause >= shortestPause {
		time.Sleep(min(pause<<rand.IntN(pauseDoublings+1), longestPause))
	}
}

// retryWait is how long one that lost waits before it tries again: less than others' pauses are.
func (t *turns) retryWait(conflicts int) time.Duration {
	if conflicts == 0 {
		return 0
	}
	return jitter(min(time.Millisecond<<min(conflicts, 10), t.pause()/2, conflictWait))
}
