package projections

import "sync"

// queue is names that wait for their turn, each once.
type queue struct {
	mu      sync.Mutex
	names   []string        // guarded by mu
	waiting map[string]bool // guarded by mu
	filled  chan struct{}   // guarded by mu; closed when a name is added, then replaced
}

func newQueue() *queue {
	return &queue{waiting: map[string]bool{}, filled: make(chan struct{})}
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
	if len(q.names) > 0 {
		close(q.filled)
		q.filled = make(chan struct{})
	}
}

// take takes the first name, if there is one; else filled is closed when there may be.
func (q *queue) take() (name string, filled <-chan struct{}, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.names) == 0 {
		return "", q.filled, false
	}
	name = q.names[0]
	q.names = q.names[1:]
	delete(q.waiting, name)
	return name, nil, true
}
