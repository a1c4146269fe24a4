package segment

import (
	"context"
	"errors"
	"fmt"

	"eventstore/core"
)

// Append stores events behind after, if the log's head is still after, with one call of
// Files.Append, or three where a new segment begins.
func (l *Log) Append(ctx context.Context, after core.Head, events []core.Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	if len(events) == 0 {
		return nil
	}
	data := encode(events)
	l.appending.Lock()
	defer l.appending.Unlock()
	at, err := l.write(ctx, after, data, true)
	if err == nil {
		l.moveEnd(at, data, events[len(events)-1].Head())
	}
	return err
}

// errAgain says that what stood in an append's way is gone, though the head has not moved: a
// torn append, or a segment that another process had closed.
var errAgain = errors.New("the end has moved, the head has not")

// write appends data behind after, in a new segment if the open one is full and roll allows it, and
// reports where it stands.
func (l *Log) write(ctx context.Context, after core.Head, data []byte, roll bool) (at end, err error) {
	for range 3 {
		if at, err = l.expect(ctx, after); err != nil {
			return at, err
		}
		if roll && at.offset > 0 && l.full(at, len(data)) {
			at, err = l.roll(ctx, at)
		}
		if err == nil {
			err = l.put(ctx, at, data)
		}
		if !errors.Is(err, errAgain) {
			return at, err
		}
	}
	return at, corrupt(at.name(), at.offset, at.head.Position, "the segment had %d bytes, and has no more", at.offset)
}

// encode is the events' lines.
func encode(events []core.Event) []byte {
	size := 0
	for i := range events {
		size += len(events[i].Line()) + 1
	}
	data := make([]byte, 0, size)
	for i := range events {
		data = append(append(data, events[i].Line()...), '\n')
	}
	return data
}

// expect is the log's end, if its head is after.
func (l *Log) expect(ctx context.Context, after core.Head) (end, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.shut {
		return l.end, core.ErrClosed
	}
	if !l.loaded || after.Position > l.end.head.Position {
		if err := l.update(ctx); err != nil {
			return l.end, notStored(err)
		}
	}
	return l.end, l.conflict(after)
}

// conflict is the error of an append behind after; nil where that is the head.
func (l *Log) conflict(after core.Head) error {
	switch head := l.end.head; {
	case l.end.shut:
		return core.ErrClosed
	case head.Position != after.Position || head.Hash != after.Hash:
		return fmt.Errorf("%w: the head is at %d, not at %d", core.ErrConflict, head.Position, after.Position)
	}
	return nil
}

// notStored is an error that was met before anything was written.
func notStored(err error) error {
	for _, known := range []error{errAgain, core.ErrConflict, core.ErrClosed, core.ErrCorrupt, core.ErrUnavailable} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

func (l *Log) full(at end, size int) bool {
	return at.offset+int64(size) > l.options.SegmentSize || l.options.MaxAppends > 0 && at.appends >= l.options.MaxAppends
}

// roll closes the open segment and begins the next.
func (l *Log) roll(ctx context.Context, at end) (end, error) {
	closing := closingLine(at.head.Position + 1)
	if err := l.put(ctx, at, closing); err != nil {
		return at, notStored(err) // whether the closing line was or not
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.segment == at.segment {
		l.closeSegment(false, int64(len(closing)))
	}
	l.maintainSoon()
	next := l.end
	if err := l.createSegment(ctx); err != nil {
		return next, notStored(err)
	}
	return next, nil
}

// put appends data to the open segment, at the end. When that is refused, the end is read again,
// so that the next append knows what was there.
func (l *Log) put(ctx context.Context, at end, data []byte) error {
	cause := l.files.Append(ctx, at.name(), at.offset, data)
	if cause == nil {
		return nil
	}
	if !errors.Is(cause, core.ErrConflict) && !errors.Is(cause, core.ErrNotFound) {
		return fmt.Errorf("appending to %s: %w", at.name(), cause) // kept after all, the next append conflicts
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.catchUp(ctx, firstRead); err != nil {
		return notStored(err)
	}
	if err := l.conflict(at.head); err != nil {
		return err
	}
	return errAgain
}

// moveEnd moves the end behind what was appended at at, unless it was read already.
func (l *Log) moveEnd(at end, data []byte, head core.Head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.segment != at.segment || l.end.offset != at.offset {
		return
	}
	l.recent.addAll(l.keyer, at.offset, data)
	l.advance(checked{used: len(data), requests: 1, head: head})
	l.written = true
	if l.end.offset-l.checkpointed >= l.checkpointEvery() {
		l.checkpointed = l.end.offset
		l.maintainSoon()
	}
}

// CloseLog closes the log for good, if its head is still after.
func (l *Log) CloseLog(ctx context.Context, after core.Head) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	l.appending.Lock()
	defer l.appending.Unlock()
	at, err := l.write(ctx, after, []byte(shutLine+"\n"), false)
	if errors.Is(err, core.ErrClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end.segment == at.segment && !l.end.shut {
		l.closeSegment(true, int64(len(shutLine)+1))
	}
	return nil
}
