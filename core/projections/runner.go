package projections

import (
	"context"
	"fmt"
	"sync/atomic"

	"eventstore/core/topics"
)

// maxRunners is how many versions this process keeps programs and documents of.
const maxRunners = 16

// maxKept is how many bytes of documents a runner keeps between runs.
const maxKept = 32 << 20

type runnerKey struct {
	name    string
	version int
}

// A runner folds one version in this process, one run at a time: lock holds a value while one is under way.
type runner struct {
	key        runnerKey
	lock       chan struct{}
	definition Definition
	program    Program  // nil until it is first used, and after it was closed
	working    *working // nil where nothing is known
	// at is the checkpoint at which working is what is stored.
	at Checkpoint
	// seen are the places of the logs that this process has read itself, by topic: they need not be checked again.
	seen map[string]seen
	used int
	gone atomic.Bool // nobody finds it any more: whoever uses it last closes it
}

type seen struct {
	topic *topics.Topic
	place Place
}

// runner gives the runner of a version, locked for the caller, who unlocks it with done.
func (p *Projections) runner(ctx context.Context, name string, number int) (r *runner, done func(), err error) {
	key := runnerKey{name, number}
	p.mu.Lock()
	r = p.runners[key]
	if r == nil {
		r = &runner{key: key, lock: make(chan struct{}, 1), seen: map[string]seen{}}
		p.runners[key] = r
	}
	p.uses++
	r.used = p.uses
	p.closeOldest()
	p.mu.Unlock()
	select {
	case r.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	done = func() {
		<-r.lock
		if r.gone.Load() { // looked at behind the lock, since who retires it looks at the lock behind that
			r.retire()
		}
	}
	if err := p.ready(ctx, r); err != nil {
		done()
		return nil, nil, err
	}
	return r, done, nil
}

// ready makes a runner's program.
func (p *Projections) ready(ctx context.Context, r *runner) (err error) {
	if r.program != nil {
		return nil
	}
	if r.definition, err = p.definition(ctx, r.key.name, r.key.version); err != nil {
		return err
	}
	if r.program, err = p.program(ctx, r.definition); err != nil {
		return fmt.Errorf("version %d of projection %q: %w", r.key.version, r.key.name, err)
	}
	return nil
}

// closeOldest lets go of a runner that was not used for the longest time. It is called with mu held.
func (p *Projections) closeOldest() {
	if len(p.runners) <= maxRunners {
		return
	}
	var oldest *runner
	for _, r := range p.runners {
		if oldest == nil || r.used < oldest.used {
			oldest = r
		}
	}
	delete(p.runners, oldest.key)
	oldest.retire()
}

// retire closes a runner once nobody uses it.
func (r *runner) retire() {
	r.gone.Store(true)
	select {
	case r.lock <- struct{}{}:
		r.close()
		<-r.lock
	default: // whoever uses it closes it
	}
}

// close frees what the runner holds. The caller has its lock.
func (r *runner) close() {
	if r.program != nil {
		r.program.Close()
	}
	r.program, r.working = nil, nil
}

// forget drops what is known of the documents.
func (r *runner) forget() { r.working = nil }
