package telemetry

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"eventstore/core"
)

// log is a core.Log that is watched. It has every optional port of a log; where the log within has not, a call does what
// its not being there would: it tells nothing, or has nothing to do.
type log struct {
	inner          core.Log
	topic, adapter string
	t              *Telemetry
}

var (
	_ core.Log     = (*log)(nil)
	_ core.Closer  = (*log)(nil)
	_ core.Watcher = (*log)(nil)
	_ io.Closer    = (*log)(nil)
)

func (l *log) called(ctx context.Context, operation string, began time.Time, err error) {
	l.t.recorder.called(ctx, l.adapter, operation, outcomeOf(err), began)
}

// Head is the log's.
func (l *log) Head(ctx context.Context) (core.Head, error) {
	began := time.Now()
	head, err := l.inner.Head(ctx)
	l.called(ctx, "head", began, err)
	if err == nil {
		l.t.standing.head(l.topic, head.Position)
	}
	return head, err
}

// Append is the log's.
func (l *log) Append(ctx context.Context, after core.Head, events []core.Event) error {
	began := time.Now()
	err := l.inner.Append(ctx, after, events)
	l.called(ctx, "append", began, err)
	return err
}

// Read is the log's. What it is recorded to take is the time to its first event: the rest is also the reader's.
func (l *log) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		began, first := time.Now(), true
		for e, err := range l.inner.Read(ctx, q) {
			if first || err != nil {
				l.called(ctx, "read", began, err)
			}
			first = false
			if err == nil {
				l.t.origins.read(l.topic, &e)
			}
			if !yield(e, err) {
				return
			}
		}
		if first {
			l.called(ctx, "read", began, nil)
		}
	}
}

// Find is the log's.
func (l *log) Find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	began := time.Now()
	found, err := l.inner.Find(ctx, ids)
	l.called(ctx, "find", began, err)
	return found, err
}

// CloseLog closes the log, where it can be.
func (l *log) CloseLog(ctx context.Context, after core.Head) error {
	closer, ok := l.inner.(core.Closer)
	if !ok {
		return errors.New("a log of this kind can't be closed")
	}
	began := time.Now()
	err := closer.CloseLog(ctx, after)
	l.called(ctx, "close", began, err)
	return err
}

// Watch is the log's, or nil, which never receives.
func (l *log) Watch(ctx context.Context) <-chan struct{} {
	if watcher, ok := l.inner.(core.Watcher); ok {
		return watcher.Watch(ctx)
	}
	return nil
}

// Maintain has the log bring up to date what it derives, where it derives something.
func (l *log) Maintain(ctx context.Context) error {
	if maintained, ok := l.inner.(interface{ Maintain(context.Context) error }); ok {
		return maintained.Maintain(ctx)
	}
	return nil
}

// Close lets go of the log, where there is something to let go of.
func (l *log) Close() error {
	if closer, ok := l.inner.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// lineReader is a log that hands out lines.
type lineReader interface {
	ReadLines(ctx context.Context, q core.Query) iter.Seq2[[]byte, error]
}

// lineLog is a log that is watched, and hands out lines.
type lineLog struct {
	*log
	lines lineReader
}

// ReadLines is the log's.
func (l *lineLog) ReadLines(ctx context.Context, q core.Query) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		began, first := time.Now(), true
		for piece, err := range l.lines.ReadLines(ctx, q) {
			if first || err != nil {
				l.called(ctx, "read", began, err)
			}
			first = false
			if !yield(piece, err) {
				return
			}
		}
		if first {
			l.called(ctx, "read", began, nil)
		}
	}
}
