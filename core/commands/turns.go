package commands

import (
	"math/rand/v2"
	"time"
)

const (
	// aloneAppends and sharedAppends are how many appends an instance makes in a row before it pauses: where it has
	// met no other instance lately, and where it has. There a turn also ends after sharedTurn, so that slow
	// appends make short rows: what waits meanwhile is the next batch.
	aloneAppends, sharedAppends = 128, 8
	sharedTurn                  = 100 * time.Millisecond
	// sharedFor is how long another instance counts as being there after it was met.
	sharedFor = 10 * time.Second
	// pauseAppends is how many appends long the shortest pause is: one that lost reads what was added, and
	// appends. It may be farther from the storage, so a pause is up to 2^pauseDoublings times as long.
	pauseAppends, pauseDoublings = 3, 3
	// longestPause bounds a pause, but where the shortest is longer, which ends at slowestPause.
	longestPause, slowestPause = 500 * time.Millisecond, 3 * time.Second
	// shortestPause is below what is worth a pause: an append that fast is to memory, which one process has.
	shortestPause = 500 * time.Microsecond
	// afterTurn is how many appends long the first wait is of one that had its turn and lost since: those who have
	// waited longer go first.
	afterTurn = 4
)

// turns makes the instances that append to one log take turns. Whoever appended last needs no reading
// before it appends again, so that under a steady load it always wins: the others would starve. So an
// instance pauses after so many appends in a row. Alone, that costs it about 3 % of the time; it can't know that it
// is alone, since one that always wins meets nobody.
type turns struct {
	took  time.Duration // the last append
	ended time.Time     // the last append
	row   int           // appends in a row
	met   time.Time     // when another instance's append was last in the way
	had   bool          // it had its turn, and has not lost since
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
func (t *turns) pause() time.Duration { return min(pauseAppends*t.took, slowestPause) }

// shares reports whether another instance was met lately.
func (t *turns) shares() bool { return !t.met.IsZero() && time.Since(t.met) < sharedFor }

// most is how many appends in a row are a turn.
func (t *turns) most() int {
	if !t.shares() {
		return aloneAppends
	}
	return int(min(max(sharedTurn/max(t.took, 1), 1), sharedAppends))
}

// yield pauses if it is others' turn: mostly as short as can be, and the longer the more rarely.
func (t *turns) yield() {
	if t.row < t.most() {
		return
	}
	t.row = 0
	pause := t.pause()
	if pause < shortestPause {
		return
	}
	longest, odds := max(pause, longestPause), 4
	if t.shares() {
		odds = 2
	}
	for doublings := 0; doublings < pauseDoublings && rand.IntN(odds) == 0; doublings++ {
		pause *= 2
	}
	time.Sleep(min(pause, longest))
	t.had = true
}

// retryWait is how long one that lost waits before it tries again, less and less: whoever has waited longest
// is quickest when the others pause. One that has not had its turn lately does not wait the first time. The waits are
// never all alike, so that instances which are as far from the storage don't lose in the same order for ever.
func (t *turns) retryWait(conflicts int) time.Duration {
	if conflicts == 0 && !t.had {
		return 0
	}
	t.had = false
	return jitter(min(afterTurn*t.took, slowestPause)>>min(conflicts, 10)) + rand.N(min(t.took, longestPause)/4+1)
}
