package javascript

import (
	"sync"
	"time"
)

// maxWait is the most that a call may take where the processor is busy with other things.
const maxWait = 10 * MaxTime

// A watch interrupts a call that has used more than MaxTime of a processor: on a busy machine an event is not to blame for
// what others take. It is started and stopped on the thread of the call.
type watch struct {
	interrupt func()
	used      func() time.Duration // by the call's thread
	started   time.Time

	mu      sync.Mutex
	stopped bool        // guarded by mu; then nothing is interrupted any more
	timer   *time.Timer // guarded by mu
}

func startWatch(interrupt func()) *watch {
	w := &watch{interrupt: interrupt, used: threadTime(), started: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(MaxTime, w.look)
	return w
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if left := MaxTime - w.used(); left > 0 && time.Since(w.started) < maxWait {
		w.timer.Reset(max(left, MaxTime/100))
		return
	}
	w.interrupt()
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}
