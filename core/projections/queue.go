package projections

import (
	"slices"
	"sync"
)

// queue is names that wait for their turn, each once. A name that is being worked at waits until that has ended, so that one which takes
// long holds up one worker and no more.
type queue struct {
	mu      sync.Mutex
	names   []string        // guarded by mu
	waiting map[string]bool // guarded by mu; those in names
	working map[string]bool // guarded by mu; taken and not done
	filled  chan struct{}   // guarded by mu; closed when there may be something to take, then replaced
}

func newQueue() *queue {
	return &queue{waiting: map[string]bool{}, working: map[string]bool{}, filled: make(chan struct{})}
}

// add puts names at the end, but for those that wait already.
func (q *queue) add(names ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		if !q.waiting[name] {
			q.waiting[name] = true
			q.names = append(q.names, name)
		}
	}
	q.tell()
}

// tell is called with mu held.
func (q *queue) tell() {
	close(q.filled)
	q.filled = make(chan struct{})
}

// take takes the first name that nobody works at, if there is one; else filled is closed when there may be. Who takes
// one calls done.
func (q *queue) take() (name string, filled <-chan struct{}, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.names, func(name string) bool { return !q.working[name] })
	if i < 0 {
		return "", q.filled, false
	}
	name = q.names[i]
	q.names = slices.Delete(q.names, i, i+1)
	delete(q.waiting, name)
	q.working[name] = true
	return name, nil, true
}

func (q *queue) done(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.working, name)
	if q.waiting[name] {
		q.tell()
	}
}
