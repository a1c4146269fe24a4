package topics

import (
	"io"
	"sync"
	"time"

	"eventstore/core"
)

// Topic is a registered topic whose log is open. Name, Config, Identity, Created and Log
// never change: where the registration changes, there is another Topic.
type Topic struct {
	Name     string
	Config   core.TopicConfig
	Identity string // the log's own
	Created  time.Time
	Log      core.Log

	mu      sync.Mutex
	head    core.Position // guarded by mu; the highest that Advance was told
	changed chan struct{} // guarded by mu; nil when nobody waits

	closing sync.Once
}

// registration is the identity of the registration that the topic was opened with.
func (t *Topic) registration() string { return identity(t.Config, t.Identity) }

// Advance tells those who wait on the topic in this process that its head is at least head.
func (t *Topic) Advance(head core.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if head > t.head {
		t.head = head
		t.wake()
	}
}

// Changed is closed at the next Advance, or when the topic is replaced. Take it before
// looking at the log: then no append of this process is missed.
func (t *Topic) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

// wake is called with mu held.
func (t *Topic) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// replaced wakes those who wait, so that they look for the topic that is there now.
func (t *Topic) replaced() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake()
}

// close closes the log, where it can be; a nil topic has none.
func (t *Topic) close() (err error) {
	if t == nil {
		return nil
	}
	t.closing.Do(func() {
		if closer, ok := t.Log.(io.Closer); ok {
			err = closer.Close()
		}
	})
	return err
}
