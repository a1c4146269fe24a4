package commands

import (
	"context"
	"sync"
	"time"

	"eventstore/core"
)

// finder looks up ids in a log, one lookup at a time: requests that come while one is under way
// share the next, so that many publishers cost few calls.
type finder struct {
	log     core.Log
	timeout time.Duration
	turn    chan struct{} // of capacity 1; held while the log is asked

	mu        sync.Mutex
	gathering *lookup // guarded by mu; nil when nobody waits for a turn
}

// lookup is one call of Find for several requests. ids is guarded by the finder's mu while
// it gathers; found and err are set before done is closed.
type lookup struct {
	ids   []string
	done  chan struct{}
	found map[string]core.Position
	err   error
}

// find reports where ids are, and perhaps others too.
func (f *finder) find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	l := f.join(ids)
	select {
	case <-l.done:
		return l.found, l.err
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.leave(l) {
		f.ask(l)
	}
	<-f.turn
	select {
	case <-l.done:
		return l.found, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join adds ids to the lookup that gathers.
func (f *finder) join(ids []string) *lookup {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gathering == nil {
		f.gathering = &lookup{done: make(chan struct{})}
	}
	f.gathering.ids = append(f.gathering.ids, ids...)
	return f.gathering
}

// leave ends the gathering of a lookup, and reports whether it had not ended before.
func (f *finder) leave(l *lookup) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gathering != l {
		return false
	}
	f.gathering = nil
	return true
}

// ask asks the log, for all who joined: so it goes on when who happened to begin it gives up.
func (f *finder) ask(l *lookup) {
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	l.found, l.err = f.log.Find(ctx, l.ids)
	close(l.done)
}
