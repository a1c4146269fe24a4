// Package javascript runs the definitions of projections in a sandbox: QuickJS, without files,
// network, clock, time zone or randomness, with hard limits on memory, time and stack. What a definition
// computes depends on its events and documents alone.
package javascript

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"eventstore/core"
)

// The limits of a definition.
const (
	MaxSource   = 256 << 10       // bytes of the source
	MaxMemory   = 64 << 20        // bytes, all that is alive at once
	MaxTime     = 1 * time.Second // for one event
	MaxDocument = 1 << 20         // bytes of one document's JSON
)

// EventError says that a definition can't fold an event: it threw, or broke a limit.
type EventError struct {
	Index   int    // of the event, in the batch
	Message string // what it threw and where, or which limit it broke
	limit   bool
}

func (e *EventError) Error() string { return e.Message }

// Event is the index of the event in the batch.
func (e *EventError) Event() int { return e.Index }

// Limit is whether it broke a limit of the sandbox, rather than threw.
func (e *EventError) Limit() bool { return e.limit }

// SourceError says why a source is not a definition. Where that is known, with the place.
type SourceError struct {
	Line, Column int // from 1; 0 where there is no place
	Reason       string
}

func (e *SourceError) Error() string { return e.Reason }

// Place is the line and column, from 1; 0 where there is no place.
func (e *SourceError) Place() (line, column int) { return e.Line, e.Column }

// Program is a compiled definition. Its methods may be called from one goroutine at a time; it keeps
// sandboxes between calls, so it must be closed.
type Program struct {
	engine *Engine
	source string
	types  []string

	mu     sync.Mutex
	idle   []*sandbox // guarded by mu
	closed bool       // guarded by mu

	chunk int // guarded by mu; events in a call, such that it takes about a tenth of its time

	parts []*part // of the batch that Keys saw last
}

func checkSource(source string) error {
	if len(source) > MaxSource {
		return &SourceError{Reason: fmt.Sprintf("a source of %d bytes; the most is %d", len(source), MaxSource)}
	}
	if !utf8.ValidString(source) || strings.ContainsRune(source, 0) {
		return &SourceError{Reason: "the source is not UTF-8 text without NUL"}
	}
	if strings.TrimSpace(source) == "" {
		return &SourceError{Reason: "the source is empty; it is an object ({ key: e => …, on: { Type: (doc, e) => … } })"}
	}
	return nil
}

func sourceError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &SourceError{Reason: err.Error()}
}

// Types are the event types that the definition has handlers for. Keys and Fold are given no others.
func (p *Program) Types() []string { return p.types }

// MaxBatch is the most events, and about the most bytes of events, that should be given to Keys at once.
func (p *Program) MaxBatch() (events, size int) {
	return p.engine.workers() * p.pace(), p.engine.workers() * maxChunkSize
}

// Keys tells the keys of the documents that each event changes. An error is an [*EventError] or the end of ctx, or
// the sandbox could not be made.
func (p *Program) Keys(ctx context.Context, events []core.Event) ([][]string, error) {
	p.release()
	p.parts = p.divide(events)
	if err := p.loadAll(ctx); err != nil {
		return nil, err
	}
	all := make([][]string, 0, len(events))
	for _, pt := range p.parts {
		all = append(all, pt.keys...)
	}
	return all, nil
}

// Fold takes steps in order, each the number of an event of the last batch that Keys saw and the number of a document,
// and returns the documents after them: a JSON text, or "" for none. alive[i] tells whether a document that is not
// there any more was, before or on the way. An error is as for Keys, and then nothing is returned.
func (p *Program) Fold(ctx context.Context, steps [][2]int, documents []string) (after []string, alive []bool, err error) {
	f := &folding{program: p, texts: slices.Clone(documents), alive: make([]bool, len(documents))}
	for i, text := range documents {
		f.alive[i] = text != ""
	}
	if err := f.run(ctx, steps); err != nil {
		return nil, nil, err
	}
	return f.texts, f.alive, nil
}

// take gives an idle sandbox, or a new one.
func (p *Program) take(ctx context.Context) (*sandbox, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		box := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return box, nil
	}
	p.mu.Unlock()
	return p.engine.newSandbox(ctx, p.source)
}

// give takes a sandbox back. One that failed is thrown away.
func (p *Program) give(box *sandbox) {
	if box == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if box.broken || p.closed || len(p.idle) >= p.engine.workers() {
		box.close()
		return
	}
	p.idle = append(p.idle, box)
}

func (p *Program) release() {
	for _, pt := range p.parts {
		p.give(pt.box)
	}
	p.parts = nil
}

// Close frees the sandboxes. The program can't be used any more.
func (p *Program) Close() {
	p.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, box := range p.idle {
		box.close()
	}
	p.idle = nil
}

// asEvent gives an error that one event alone has to answer for its number; the end of ctx stays what it is.
func asEvent(ctx context.Context, index int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var limit *limitError
	return &EventError{Index: index, Message: err.Error(), limit: errors.As(err, &limit)}
}
