package commands_test

import (
	"context"
	"sync"
	"time"

	"eventstore/core"
)

// How long a test waits for what another goroutine does, and how often it looks.
const (
	patience = 10 * time.Second
	glance   = 100 * time.Microsecond
)

// gate is a log whose first append waits until the gate is open.
type gate struct {
	core.Log
	entered chan struct{} // closed when the first append is there
	open    chan struct{}

	mu      sync.Mutex
	appends int   // guarded by mu
	from    int   // guarded by mu; the append from which on err is the answer
	err     error // guarded by mu
}

func newGate(log core.Log) *gate {
	return &gate{Log: log, entered: make(chan struct{}), open: make(chan struct{})}
}

// failFrom makes the appends fail from the nth on, without effect.
func (g *gate) failFrom(n int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.from, g.err = n, err
}

func (g *gate) count() (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.appends++
	if g.err != nil && g.appends >= g.from {
		return g.appends, g.err
	}
	return g.appends, nil
}

func (g *gate) Append(ctx context.Context, after core.Head, events []core.Event) error {
	n, err := g.count()
	if n == 1 {
		close(g.entered)
		<-g.open
	}
	if err != nil {
		return err
	}
	return g.Log.Append(ctx, after, events)
}
