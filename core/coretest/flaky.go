package coretest

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"eventstore/core"
)

// ErrInjected is what a call fails with that a [Fault] was injected into. It is none of
// core's errors, so its outcome is unknown to the caller.
var ErrInjected = errors.New("injected failure")

// Fault is what happens to one call.
type Fault int

// A call passes, fails without its effect, or fails after it.
const (
	Pass Fault = iota
	FailBefore
	FailAfter
)

// Script decides what happens to a call, which is named as in "Log.Append". It is asked
// from many goroutines at once.
type Script func(call string) Fault

// Times is a Script that injects fault into the first n calls of that name.
func Times(n int, call string, fault Fault) Script {
	var left atomic.Int64
	left.Store(int64(n))
	return func(name string) Fault {
		if name != call || left.Add(-1) < 0 {
			return Pass
		}
		return fault
	}
}

// run makes a call as the script says.
func (s Script) run(name string, call func() error) error {
	fault := Pass
	if s != nil {
		fault = s(name)
	}
	if fault == FailBefore {
		return ErrInjected
	}
	if err := call(); err != nil || fault == Pass {
		return err
	}
	return ErrInjected
}

// FlakyLog is a Log whose calls fail as its Script says; it counts the appends that were
// asked for.
type FlakyLog struct {
	core.Log
	Script  Script
	Appends atomic.Int64
}

// Head is the log's, or fails.
func (f *FlakyLog) Head(ctx context.Context) (head core.Head, err error) {
	err = f.Script.run("Log.Head", func() error { head, err = f.Log.Head(ctx); return err })
	return head, err
}

// Append is the log's, or fails before or after its effect.
func (f *FlakyLog) Append(ctx context.Context, after core.Head, events []core.Event) error {
	f.Appends.Add(1)
	return f.Script.run("Log.Append", func() error { return f.Log.Append(ctx, after, events) })
}

// Read is the log's; it fails before the first event or behind the last.
func (f *FlakyLog) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		stopped := false
		err := f.Script.run("Log.Read", func() error {
			for e, err := range f.Log.Read(ctx, q) {
				if err != nil {
					return err
				}
				if stopped = !yield(e, nil); stopped {
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(core.Event{}, err)
		}
	}
}

// Find is the log's, or fails.
func (f *FlakyLog) Find(ctx context.Context, ids []string) (found map[string]core.Position, err error) {
	err = f.Script.run("Log.Find", func() error { found, err = f.Log.Find(ctx, ids); return err })
	return found, err
}

// FlakyDocuments is a Documents whose calls fail as its Script says; it counts the
// documents whose writing was asked for.
type FlakyDocuments struct {
	core.Documents
	Script Script
	Writes atomic.Int64
}

// Get is the store's, or fails.
func (f *FlakyDocuments) Get(ctx context.Context, collection, key string) (d core.Document, err error) {
	err = f.Script.run("Documents.Get", func() error { d, err = f.Documents.Get(ctx, collection, key); return err })
	return d, err
}

// Write is the store's, or fails before or after its effect; then it tells no versions.
func (f *FlakyDocuments) Write(ctx context.Context, writes ...core.Write) (versions []string, err error) {
	f.Writes.Add(int64(len(writes)))
	err = f.Script.run("Documents.Write", func() error { versions, err = f.Documents.Write(ctx, writes...); return err })
	if errors.Is(err, ErrInjected) {
		versions = make([]string, len(writes))
	}
	return versions, err
}

// List is the store's; it fails before the first document or behind the last.
func (f *FlakyDocuments) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		stopped := false
		err := f.Script.run("Documents.List", func() error {
			for d, err := range f.Documents.List(ctx, collection, q) {
				if err != nil {
					return err
				}
				if stopped = !yield(d, nil); stopped {
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(core.Document{}, err)
		}
	}
}
