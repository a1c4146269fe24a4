package queries

import (
	"context"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// watcher looks for what other processes append to a topic while somebody in this one waits. There
// is one for all who wait on it.
type watcher struct {
	waiting int // guarded by the Reader's mu
	stop    context.CancelFunc
}

// await waits until a topic may have gone beyond a head, or was replaced, which it reports; it gives
// up after the time or with ctx. changed was taken before that head was read.
func (r *Reader) await(ctx context.Context, t *topics.Topic, changed <-chan struct{}, head core.Position, most time.Duration) bool {
	if most <= 0 || ctx.Err() != nil {
		return false
	}
	r.join(t, head)
	defer r.leave(t)
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-changed:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// join counts one more who waits; the first starts the watcher.
func (r *Reader) join(t *topics.Topic, head core.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watchers[t]
	if w == nil {
		ctx, stop := context.WithCancel(context.Background())
		w = &watcher{stop: stop}
		r.watchers[t] = w
		r.watching.Go(func() { r.watch(ctx, t, head) })
	}
	w.waiting++
}

// leave counts one less; the last stops the watcher.
func (r *Reader) leave(t *topics.Topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watchers[t]
	if w.waiting--; w.waiting == 0 {
		w.stop()
		delete(r.watchers, t)
	}
}

// watch asks a log for its head when the log hints that it has grown, and from time to time, ever more
// rarely while nothing happens; it tells the topic.
func (r *Reader) watch(ctx context.Context, t *topics.Topic, last core.Position) {
	hints := hintsOf(ctx, t.Log)
	pause := r.config.PollMin
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case _, open := <-hints:
			if !open {
				hints = nil // there are no more, so looking has to do
			}
		case <-ctx.Done():
			return
		}
		head, err := t.Log.Head(ctx)
		switch {
		case err != nil && ctx.Err() == nil: // those who wait meet it when they read
			r.config.Log.Debug("waiting for events", "topic", t.Name, "error", err)
		case err == nil && head.Position > last:
			last, pause = head.Position, r.config.PollMin/2
			t.Advance(last)
		}
		pause = min(2*pause, r.config.PollMax)
		timer.Reset(pause)
	}
}

// hintsOf are those of a log that hears of other processes' appends; nil, which never receives, of
// another.
func hintsOf(ctx context.Context, log core.Log) <-chan struct{} {
	if watched, ok := log.(core.Watcher); ok {
		return watched.Watch(ctx)
	}
	return nil
}

// Close waits for the goroutines that watch topics. It is called when nobody reads any more.
func (r *Reader) Close() { r.watching.Wait() }
