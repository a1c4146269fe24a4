package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"eventstore/core"
)

// Handler is a projection's handler that is built in, in Go. [Typed] makes one.
type Handler struct {
	Name  string
	Types []string // the event types it handles; nil is all
	// New makes a program for one run after the other.
	New func() Program
}

// Typed makes a Handler whose documents are values of T, kept as JSON. key tells the documents that an event changes; fold
// gives a document, nil where there is none, as it is after the event, or nil to delete it. Both must give the same for the same,
// T must survive its JSON, and an event is not to be changed.
func Typed[T any](name string, types []string, key func(*core.Event) ([]string, error), fold func(*T, *core.Event) (*T, error)) Handler {
	return Handler{Name: name, Types: types, New: func() Program { return &typed[T]{types: types, key: key, fold: fold} }}
}

type typed[T any] struct {
	types  []string
	key    func(*core.Event) ([]string, error)
	fold   func(*T, *core.Event) (*T, error)
	events []core.Event
}

// maxDocument is the most bytes of a document's JSON, of a Go handler as of a source.
const maxDocument = 1 << 20

func (p *typed[T]) Types() []string { return p.types }

// MaxBatch is large: a document is decoded and encoded once in a batch.
func (p *typed[T]) MaxBatch() (events, size int) { return 50_000, 24 << 20 }

func (p *typed[T]) Close() {}

// eventError is the fault of one event.
type eventError struct {
	event int
	err   error
}

func (e *eventError) Error() string { return e.err.Error() }
func (e *eventError) Event() int    { return e.event }
func (e *eventError) Unwrap() error { return e.err }

func (p *typed[T]) Keys(ctx context.Context, events []core.Event) (keys [][]string, err error) {
	p.events = events
	keys = make([][]string, len(events))
	for i := range events {
		if keys[i], err = p.keysOf(&events[i]); err != nil {
			return nil, &eventError{i, err}
		}
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return keys, nil
}

func (p *typed[T]) keysOf(e *core.Event) (keys []string, err error) {
	defer recovered(&err)
	keys, err = p.key(e)
	for _, key := range keys {
		if reason := wrongKey(key); reason != "" {
			return nil, errors.New(reason)
		}
	}
	return keys, err
}

func (p *typed[T]) Fold(ctx context.Context, steps [][2]int, documents []string) (after []string, alive []bool, err error) {
	values, touched := make([]*T, len(documents)), make([]int, len(documents))
	after, alive = make([]string, len(documents)), make([]bool, len(documents))
	for i, text := range documents {
		touched[i] = -1
		if text == "" {
			continue
		}
		alive[i], values[i] = true, new(T)
		if err := json.Unmarshal([]byte(text), values[i]); err != nil {
			return nil, nil, fmt.Errorf("a document is not what the handler makes: %w", err)
		}
	}
	for n, step := range steps {
		e, d := step[0], step[1]
		if values[d], err = p.foldOne(values[d], &p.events[e]); err != nil {
			return nil, nil, &eventError{e, err}
		}
		alive[d], touched[d] = alive[d] || values[d] != nil, e
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
	for i, value := range values {
		if value == nil {
			continue
		}
		text, err := json.Marshal(value)
		if err == nil && len(text) > maxDocument {
			err = fmt.Errorf("the document has %d bytes; the most is %d", len(text), maxDocument)
		}
		if err != nil {
			return nil, nil, &eventError{max(0, touched[i]), err}
		}
		after[i] = string(text)
	}
	return after, alive, nil
}

func (p *typed[T]) foldOne(value *T, e *core.Event) (after *T, err error) {
	defer recovered(&err)
	return p.fold(value, e)
}

// recovered makes a panic of a handler an error of its event.
func recovered(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("the handler panicked: %v", cause)
	}
}
