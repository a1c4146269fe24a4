package subscribers

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"eventstore/core"
)

// headAge is how old a topic's head may be that its subscriptions share. A nudge and a
// pass make it be read anew, so that only what other instances publish meanwhile is seen that much
// later.
const headAge = 200 * time.Millisecond

// heads remembers topics' heads for a moment: a pass over a thousand subscriptions of one topic
// asks for it once, and not a thousand times.
type heads struct {
	mu     sync.Mutex
	topics map[string]*topicHead // guarded by mu
}

type topicHead struct {
	asked atomic.Int64 // counts the readings that were asked for, and those that began
	used  atomic.Bool  // the tail, since who looks after it asked last

	lock chan struct{} // holds a value while somebody reads, or looks at what follows
	log  core.Log      // guarded by lock; whose head it is
	head core.Head     // guarded by lock
	err  error         // guarded by lock; what the last reading failed with
	read reading       // guarded by lock; the last one
	tail tail          // guarded by lock
}

// enter waits for the lock; leave gives it back.
func (t *topicHead) enter(ctx context.Context) error {
	select {
	case t.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *topicHead) leave() { <-t.lock }

// reading is when a head was read, and the count of asked when that began.
type reading struct {
	at    time.Time
	count int64
}

func (h *heads) of(topic string) *topicHead {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics == nil {
		h.topics = map[string]*topicHead{}
	}
	if h.topics[topic] == nil {
		h.topics[topic] = &topicHead{lock: make(chan struct{}, 1)}
	}
	return h.topics[topic]
}

// moved says that a topic has a new head: what was read before, or is being read now, is not given any more. It
// waits for nothing.
func (h *heads) moved(topic string) { h.of(topic).asked.Add(1) }

// forget has every topic's head read anew by who asks from now on, and lets go of the tails that nobody has
// asked for since it was last called. It waits for no topic, so that one which hangs holds up none of the others.
func (h *heads) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, t := range h.topics {
		t.asked.Add(1)
		if !t.used.Swap(false) {
			delete(h.topics, name)
		}
	}
}

// head reads the head of a topic's log, or gives the one that was read a moment ago. Of those who wait for a log that
// can't be read each waits for one attempt, and not for all.
func (h *heads) head(ctx context.Context, topic string, log core.Log, now time.Time) (core.Head, error) {
	t := h.of(topic)
	came := t.asked.Load()
	if err := t.enter(ctx); err != nil {
		return core.Head{}, err
	}
	defer t.leave()
	if age := now.Sub(t.read.at); t.log == log && t.err == nil && t.read.count == t.asked.Load() && age >= 0 && age < headAge {
		return t.head, nil
	}
	if t.log == log && t.err != nil && t.read.count > came {
		return core.Head{}, t.err // this attempt began while the caller waited
	}
	if t.log != log {
		t.tail = tail{}
	}
	t.log, t.read = log, reading{now, t.asked.Add(1)}
	if t.head, t.err = log.Head(ctx); t.err != nil && ctx.Err() != nil {
		err := t.err
		t.read, t.err = reading{}, nil // the log is not to blame
		return core.Head{}, err
	}
	return t.head, t.err
}

// news is the head of a topic's log, and the events up to it from the one at position seen on; none where those are too many.
func (h *heads) news(ctx context.Context, topic string, log core.Log, seen core.Position, now time.Time) (core.Head, []core.Event, error) {
	head, err := h.head(ctx, topic, log, now)
	if err != nil {
		return head, nil, err
	}
	t := h.of(topic)
	if err := t.enter(ctx); err != nil {
		return head, nil, err
	}
	defer t.leave()
	if t.log != log {
		return head, nil, nil // another one took its place
	}
	t.used.Store(true)
	events, err := t.tail.since(ctx, log, max(seen, 1), head.Position)
	if n := len(events); n > 0 && events[n-1].Hash != head.Hash {
		t.tail = tail{} // it was read before the storage was replaced, or restored
		return head, nil, nil
	}
	return head, events, err
}
