package javascript

import (
	"context"
	"fmt"
	"runtime"
)

// An Engine bounds what all definitions of a process take of its processors together: no more of their calls run at once than it has
// slots. So whatever definitions do, a server that keeps a processor back goes on answering.
type Engine struct{ slots chan struct{} }

// NewEngine makes one with so many slots, and at least one.
func NewEngine(slots int) *Engine { return &Engine{slots: make(chan struct{}, max(1, slots))} }

// Compile checks a source with an engine of its own, which takes all processors. See [Engine.Compile].
func Compile(ctx context.Context, source string) (*Program, error) {
	return NewEngine(runtime.GOMAXPROCS(0)).Compile(ctx, source)
}

// Compile checks a source: that it is one expression, an object with the function key and the handlers on. An error
// is a [*SourceError], but for a ctx that ended.
func (e *Engine) Compile(ctx context.Context, source string) (*Program, error) {
	if err := checkSource(source); err != nil {
		return nil, err
	}
	p := &Program{engine: e, source: source, chunk: maxChunk / 4}
	box, err := e.newSandbox(ctx, source)
	if err != nil {
		return nil, err
	}
	if p.types, err = box.types(ctx); err != nil {
		box.close()
		return nil, sourceError(ctx, err)
	}
	p.idle = []*sandbox{box}
	return p, nil
}

// enter waits for a slot; leave gives it back.
func (e *Engine) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a processor: %w", ctx.Err())
	}
}

func (e *Engine) leave() { <-e.slots }

// workers is how many sandboxes a batch is folded in.
func (e *Engine) workers() int { return min(4, cap(e.slots)) }
