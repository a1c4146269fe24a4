// Package transfer takes events from one log to another as they are: positions, times,
// ids and hashes unchanged, so that the chain vouches for the copy. Copying, restoring
// from NDJSON and moving a topic in service all go through [Extend].
package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"eventstore/core"
)

const (
	// batchBytes and batchEvents are when a batch is appended: as large as a group commit. It
	// ends behind a whole request, so one can be larger, by at most one request.
	batchBytes  = 4 << 20
	batchEvents = 5_000
	// tries is how often an append whose outcome was unknown, and was then found not to have
	// been kept, is made again.
	tries = 8
)

// Progress is told the head of the log that is being extended, after every append.
type Progress func(core.Head)

// Copy brings `to`, which holds a beginning of `from` (or nothing), up to from's head as it was
// when the reading began. It may be stopped and called again: it goes on where `to` ends. Where
// `to` holds something else it stores nothing and returns a [DivergedError].
func Copy(ctx context.Context, from, to core.Log, progress Progress) (core.Head, error) {
	head, err := to.Head(ctx)
	if err != nil {
		return head, fmt.Errorf("reading where the copy ends: %w", err)
	}
	if err := requirePrefix(ctx, from, head); err != nil {
		return head, err
	}
	return Extend(ctx, to, from.Read(ctx, core.Query{From: head.Position + 1}), progress)
}

// DivergedError says that the log to copy to is not a beginning of the log to copy from.
type DivergedError struct{ Position core.Position }

func (e *DivergedError) Error() string {
	return fmt.Sprintf("the target holds another event at position %d than the source: it is not a copy of it", e.Position)
}

// requirePrefix checks that the source has, at the head of the copy, the copy's last event.
func requirePrefix(ctx context.Context, from core.Log, head core.Head) error {
	if head.Position == 0 {
		return nil
	}
	for e, err := range from.Read(ctx, core.Query{From: head.Position, To: head.Position}) {
		if err != nil {
			return fmt.Errorf("reading position %d of the source: %w", head.Position, err)
		}
		if e.Hash == head.Hash {
			return nil
		}
	}
	return &DivergedError{head.Position}
}

// Extend appends events to a log as they are. They come in order from any position up to the one
// behind the log's head; those that the log has are compared and passed over, so a source may
// begin at 1 again. Every event is checked against the chain before it is stored. On an error
// the whole requests before it stay appended; the head that is returned says how far it came.
func Extend(ctx context.Context, to core.Log, events iter.Seq2[core.Event, error], progress Progress) (core.Head, error) {
	head, err := to.Head(ctx)
	if err != nil {
		return head, fmt.Errorf("reading where the log ends: %w", err)
	}
	x := extension{to: to, head: head, chain: core.NewChain(head.Hash), progress: progress}
	for e, err := range events {
		isNew := false
		if err == nil {
			isNew, err = x.check(&e)
		}
		if err != nil {
			return x.finish(ctx, fmt.Errorf("reading the source: %w", err))
		}
		if !isNew {
			continue
		}
		if err := x.add(ctx, e); err != nil {
			return x.head, err
		}
	}
	return x.finish(ctx, nil)
}

// extension is a log that is being extended: what is gathered for the next append.
type extension struct {
	to       core.Log
	head     core.Head // of what is appended
	chain    *core.Chain
	batch    []core.Event
	size     int
	progress Progress
}

// finish appends the whole requests that are gathered. Of one whose end is missing nothing is
// stored, which is an error of its own where there is no other.
func (x *extension) finish(ctx context.Context, err error) (core.Head, error) {
	gathered := len(x.batch)
	for len(x.batch) > 0 && x.batch[len(x.batch)-1].More {
		x.batch = x.batch[:len(x.batch)-1]
	}
	if cut := gathered - len(x.batch); cut > 0 && err == nil {
		err = fmt.Errorf("%w: the source ends within a request; its last %d events are left out", core.ErrCorrupt, cut)
	}
	flushErr := x.flush(ctx)
	return x.head, errors.Join(err, flushErr)
}

// check reports whether the event is the next one; false is one that the log has.
func (x *extension) check(e *core.Event) (isNew bool, err error) {
	next := x.head.Position + core.Position(len(x.batch)) + 1
	switch {
	case e.Position == x.head.Position && e.Hash != x.head.Hash:
		return false, &DivergedError{e.Position} // those before need no look: the head's hash chains them
	case e.Position < next:
		return false, nil
	case e.Position > next:
		return false, fmt.Errorf("%w: position %d follows %d", core.ErrCorrupt, e.Position, next-1)
	}
	if err := x.chain.NextEvent(e); err != nil {
		return false, fmt.Errorf("position %d: %w", e.Position, err)
	}
	return true, nil
}

func (x *extension) add(ctx context.Context, e core.Event) error {
	x.batch, x.size = append(x.batch, e), x.size+len(e.Line())
	if e.More || x.size < batchBytes && len(x.batch) < batchEvents {
		return nil
	}
	return x.flush(ctx)
}

func (x *extension) flush(ctx context.Context) error {
	if len(x.batch) == 0 {
		return nil
	}
	if err := x.append(ctx); err != nil {
		return fmt.Errorf("appending positions %d to %d: %w", x.batch[0].Position, x.batch[len(x.batch)-1].Position, err)
	}
	x.head = x.batch[len(x.batch)-1].Head()
	x.batch, x.size = nil, 0
	if x.progress != nil {
		x.progress(x.head)
	}
	return nil
}

// append appends the batch. An outcome that is unknown is found out by the head.
func (x *extension) append(ctx context.Context) error {
	end := x.batch[len(x.batch)-1].Head()
	for try := 1; ; try++ {
		err := x.to.Append(ctx, x.head, x.batch)
		if err == nil || errors.Is(err, core.ErrClosed) || errors.Is(err, core.ErrRejected) || ctx.Err() != nil {
			return err
		}
		head, headErr := x.to.Head(ctx)
		switch {
		case headErr == nil && head.Position == end.Position && head.Hash == end.Hash:
			return nil
		case headErr == nil && head.Position != x.head.Position:
			return fmt.Errorf("%w: something else is appended to the log", core.ErrConflict)
		case try == tries:
			return err
		}
		if err := pause(ctx, time.Duration(try)*50*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
