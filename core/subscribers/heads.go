package subscribers

import (
	"context"
	"sync"
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
	mu   sync.Mutex
	log  core.Log  // guarded by mu; whose head it is
	head core.Head // guarded by mu
	read time.Time // guarded by mu; zero where it has to be read
	tail tail      // guarded by mu
}

func (h *heads) of(topic string) *topicHead {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics == nil {
		h.topics = map[string]*topicHead{}
	}
	if h.topics[topic] == nil {
		h.topics[topic] = new(topicHead)
	}
	return h.topics[topic]
}

// moved says that a topic has a new head. It waits for a reading that began before, so that none
// that was asked for after it gives the old one.
func (h *heads) moved(topic string) {
	t := h.of(topic)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = time.Time{}
}

// forget has every topic's head read anew by who asks from now on, and lets go of the tails that nobody has
// asked for since it was last called.
func (h *heads) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, t := range h.topics {
		t.mu.Lock()
		t.read = time.Time{}
		if !t.tail.used {
			delete(h.topics, name)
		}
		t.tail.used = false
		t.mu.Unlock()
	}
}

// head reads the head of a topic's log, or gives the one that was read a moment ago.
func (h *heads) head(ctx context.Context, topic string, log core.Log, now time.Time) (core.Head, error) {
	t := h.of(topic)
	t.mu.Lock()
	defer t.mu.Unlock()
	if age := now.Sub(t.read); t.log == log && age >= 0 && age < headAge {
		return t.head, nil
	}
	head, err := log.Head(ctx)
	if err != nil {
		return core.Head{}, err
	}
	if t.log != log {
		t.tail = tail{}
	}
	t.log, t.head, t.read = log, head, now
	return head, nil
}

// news is the head of a topic's log, and the events up to it from the one at position seen on; none where those are too many.
func (h *heads) news(ctx context.Context, topic string, log core.Log, seen core.Position, now time.Time) (core.Head, []core.Event, error) {
	head, err := h.head(ctx, topic, log, now)
	if err != nil {
		return head, nil, err
	}
	t := h.of(topic)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != log {
		return head, nil, nil // another one took its place
	}
	events, err := t.tail.since(ctx, log, max(seen, 1), head.Position)
	return head, events, err
}
