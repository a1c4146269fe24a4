package topics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"eventstore/core"
)

const (
	// failedFor is how long a failed opening is answered without trying again.
	failedFor = time.Second
	// failedShown is how long it is told by Failed.
	failedShown = 5 * time.Minute
	// retiredFor is how long the log of a replaced topic stays open for those still reading.
	retiredFor = 5 * time.Minute
)

// entry is what is known of a topic in this process: it is open, or it failed to open.
type entry struct {
	topic *Topic
	err   error
	// checked is when this was seen to be so, in nanoseconds since the registry was made.
	checked atomic.Int64
}

func (r *Registry) newEntry(topic *Topic, err error) *entry {
	e := &entry{topic: topic, err: err}
	r.checked(e, 0)
	return e
}

// checked notes that an entry was seen to be so, ago.
func (r *Registry) checked(e *entry, ago time.Duration) {
	e.checked.Store(int64(time.Since(r.made) - ago))
}

func (r *Registry) age(e *entry) time.Duration {
	return time.Since(r.made) - time.Duration(e.checked.Load())
}

// Open gives a topic whose log is open, opening it when it is used first. It is cheap
// afterwards: ask it anew for every use, so that what other instances change is noticed.
//
// Errors: ErrTopicNotFound, and core's ErrUnavailable (a configuration that can't work any
// more, too), ErrForeign and ErrCorrupt, with the topic's name.
func (r *Registry) Open(ctx context.Context, name string) (*Topic, error) {
	r.mu.RLock()
	e := r.entries[name]
	r.mu.RUnlock()
	switch {
	case e == nil:
	case e.topic != nil && r.age(e) < r.config.Refresh/2:
		return e.topic, nil
	case e.topic != nil && r.age(e) < r.config.Refresh:
		r.start(name) // meanwhile, the one that is there is young enough
		return e.topic, nil
	case e.err != nil && r.age(e) < failedFor:
		return nil, e.err
	}
	select {
	case opened := <-r.start(name):
		topic, _ := opened.Val.(*Topic)
		return topic, opened.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("opening topic %q: %w", name, ctx.Err())
	}
}

// Reload opens a topic afresh whose log said that it is closed. ErrClosed: the
// registration has not changed yet, so it is being moved; try again a little later.
func (r *Registry) Reload(ctx context.Context, closed *Topic) (*Topic, error) {
	moved, err := r.changed(ctx, closed)
	if err != nil {
		return nil, err
	}
	if !moved {
		return nil, fmt.Errorf("topic %q: %w", closed.Name, core.ErrClosed)
	}
	if seen, e := r.seen(closed.Name); e.opened() == closed {
		r.install(closed.Name, seen, nil)
	}
	return r.Open(ctx, closed.Name)
}

// changed reports whether a topic is registered otherwise than it was opened. The registration is
// read once for all who ask at a time.
func (r *Registry) changed(ctx context.Context, topic *Topic) (bool, error) {
	flight := r.flights.DoChan("registration of "+topic.Name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.OpenTimeout)
		defer cancel()
		return r.registered(ctx, topic.Name)
	})
	select {
	case read := <-flight:
		stored, _ := read.Val.(registration)
		return stored.identity() != topic.registration(), read.Err
	case <-ctx.Done():
		return false, fmt.Errorf("reading the registration of topic %q: %w", topic.Name, ctx.Err())
	}
}

// start looks at a topic's registration again, in a flight of its own, which goes on when
// who asked gives up.
func (r *Registry) start(name string) <-chan singleflight.Result {
	return r.flights.DoChan(name, func() (any, error) {
		if !r.enter() {
			return nil, fmt.Errorf("opening topic %q: %w: the instance is stopping", name, core.ErrUnavailable)
		}
		defer r.openings.Done()
		ctx, cancel := context.WithTimeout(context.Background(), r.config.OpenTimeout)
		defer cancel()
		for {
			seen, old := r.seen(name)
			next, err := r.look(ctx, name, old)
			if r.install(name, seen, next) {
				return next.opened(), err
			}
		}
	})
}

// enter counts an opening that Close waits for, unless the registry is closed.
func (r *Registry) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.shut {
		r.openings.Add(1)
	}
	return !r.shut
}

func (r *Registry) seen(name string) (changes int, e *entry) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.changes, r.entries[name]
}

// look reads a topic's registration and makes the entry that it should have; nil is none. The
// log that is open stays where the registration is unchanged, or can't be read: a
// topic's own storage may well be there when the registry's is not.
func (r *Registry) look(ctx context.Context, name string, old *entry) (*entry, error) {
	stored, err := r.registered(ctx, name)
	open := old.opened() != nil
	switch {
	case errors.Is(err, ErrTopicNotFound):
		return nil, err
	case err != nil && open:
		r.config.Log.WarnContext(ctx, "registration not refreshed", "topic", name, "error", err)
		r.checked(old, r.config.Refresh/2-failedFor)
		return old, nil
	case err != nil:
		return r.failed(ctx, name, err)
	case open && old.topic.registration() == stored.identity():
		r.checked(old, 0)
		return old, nil
	}
	topic, err := r.open(ctx, stored)
	if err != nil {
		return r.failed(ctx, name, err)
	}
	return r.newEntry(topic, nil), nil
}

func (r *Registry) open(ctx context.Context, stored registration) (*Topic, error) {
	log, identity, err := r.openLog(ctx, stored.Config, stored.Identity)
	if err != nil {
		return nil, err
	}
	return &Topic{Name: stored.Config.Name, Config: stored.Config, Identity: identity, Created: stored.Created, Log: log}, nil
}

// failed is the entry of a topic that did not open, so that a broken one is not tried by every call.
func (r *Registry) failed(ctx context.Context, name string, err error) (*entry, error) {
	var invalid *core.InvalidError
	if errors.As(err, &invalid) { // it is the configuration's fault, not the caller's
		err = fmt.Errorf("topic %q: %w: %v", name, core.ErrUnavailable, invalid)
	}
	r.config.Log.ErrorContext(ctx, "topic not opened", "topic", name, "error", err)
	return r.newEntry(nil, err), err
}

// opened is the entry's topic, nil where it has none.
func (e *entry) opened() *Topic {
	if e == nil {
		return nil
	}
	return e.topic
}

// install puts an entry (nil: none) in the place of what is there, unless this process
// itself registered, deleted or moved a topic since changes was seen.
func (r *Registry) install(name string, seen int, next *entry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes != seen {
		r.retire(next.opened())
		return false
	}
	r.put(name, next)
	return true
}

// change installs what this process itself changed.
func (r *Registry) change(name string, next *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	r.put(name, next)
}

// put is called with mu held.
func (r *Registry) put(name string, next *entry) {
	old := r.entries[name]
	if next == nil {
		delete(r.entries, name)
	} else {
		r.entries[name] = next
	}
	if old.opened() != next.opened() {
		r.retire(old.opened())
	}
}

// retire wakes those who wait on a topic (nil: nobody), and closes its log later. It is called with mu held.
func (r *Registry) retire(topic *Topic) {
	if topic == nil {
		return
	}
	topic.replaced()
	r.retired = append(r.retired, topic)
	time.AfterFunc(retiredFor, func() {
		if err := topic.close(); err != nil {
			r.config.Log.Warn("closing a replaced log", "topic", topic.Name, "error", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retired = slices.DeleteFunc(r.retired, func(t *Topic) bool { return t == topic })
	})
}
