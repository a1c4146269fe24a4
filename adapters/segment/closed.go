package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"eventstore/core"
)

// addClosed adds a segment behind the closed ones.
func (l *Log) addClosed(first, next core.Position, size int64) *closedSegment {
	p := part{ordinal: len(l.closed), segment: new(closedSegment), first: first, next: next, size: size, closed: true}
	if last := l.lastClosed(); last != nil {
		p.before = last
	}
	l.closed = append(l.closed, p)
	return p.segment
}

// lastClosed is the last closed segment; nil when there is none.
func (l *Log) lastClosed() *part {
	if len(l.closed) == 0 {
		return nil
	}
	last := l.closed[len(l.closed)-1]
	return &last
}

// closedHead is the head as it was when a segment was closed: its last event, checked against the
// hash of the one before, which may be in the segment before.
func (l *Log) closedHead(ctx context.Context, c part) (head core.Head, err error) {
	last, err := l.readLastLines(ctx, c)
	if err != nil {
		return head, err
	}
	previous, err := l.hashBefore(ctx, c, last)
	if err != nil {
		return head, err
	}
	head, err = checkedHead(previous, last.text[last.event:last.closing-1])
	if err == nil && head.Position != c.next-1 {
		err = fmt.Errorf("position %d where the segment ends at %d", head.Position, c.next-1)
	}
	if err != nil {
		return head, corrupt(c.name(), last.from+int64(last.event), c.next-1, "%v", err)
	}
	return head, nil
}

// hashBefore is the hash before a closed segment's last event.
func (l *Log) hashBefore(ctx context.Context, c part, last lastLines) (core.Hash, error) {
	if last.event == 0 {
		return l.previous(ctx, c)
	}
	hash, ok := statedHash(last.text[:last.event])
	if !ok {
		return hash, corrupt(c.name(), last.from+int64(last.event), c.next-2, "the line before does not end with a hash")
	}
	return hash, nil
}

// checkedHead is the head after an event's line, which follows the event whose hash is previous.
func checkedHead(previous core.Hash, text []byte) (core.Head, error) {
	if err := core.NewChain(previous).Next(text); err != nil {
		return core.Head{}, err
	}
	e, err := core.ParseLine(string(text))
	return e.Head(), err
}

// statedEnd is the hash that a closed segment's last event states; it is not checked here.
func (l *Log) statedEnd(ctx context.Context, c part) (core.Hash, error) {
	if hash := c.segment.hash.Load(); hash != nil {
		return *hash, nil
	}
	last, err := l.readLastLines(ctx, c)
	if err != nil {
		return core.Hash{}, err
	}
	hash, ok := statedHash(last.text[:last.closing])
	if !ok {
		return hash, corrupt(c.name(), last.from+int64(last.event), c.next-1, "the line does not end with a hash")
	}
	c.segment.hash.Store(&hash)
	return hash, nil
}

// lastLines are the last bytes of a closed segment, with where in them its last event and its
// closing line begin.
type lastLines struct {
	from           int64
	text           []byte
	event, closing int
}

// readLastLines reads as much of a closed segment's end as it takes to have the last event,
// and the hash before it if the segment has it, and checks the closing line.
func (l *Log) readLastLines(ctx context.Context, c part) (last lastLines, err error) {
	for size := int64(16 << 10); ; size *= 4 {
		last.from = max(c.size-size, 0)
		if last.text, err = l.readFull(ctx, c.name(), last.from, c.size); err != nil {
			return last, err
		}
		last.closing = lastLine(last.text)
		last.event = lastLine(last.text[:max(last.closing, 0)])
		if last.event >= beforeLine || last.from == 0 {
			break
		}
	}
	if last.closing < 0 {
		return last, corrupt(c.name(), c.size, c.next-1, "the segment's last line is cut, though %s follows", segmentName(c.next))
	}
	text := last.text[last.closing : len(last.text)-1]
	if shut, err := checkClosing(text, c.next-1); shut || err != nil {
		return last, corrupt(c.name(), last.from+int64(last.closing), c.next-1, "%q where the segment must end, since %s follows", clip(text), segmentName(c.next))
	}
	if last.event < 0 {
		return last, corrupt(c.name(), 0, c.first, "a closed segment without an event")
	}
	return last, nil
}

// lastLine is where the last whole line of text begins; -1 if text does not end one.
func lastLine(text []byte) int {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return -1
	}
	return bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
}

// readFull reads all of a file between two offsets.
func (l *Log) readFull(ctx context.Context, name string, from, to int64) ([]byte, error) {
	p := make([]byte, to-from)
	n, err := l.files.ReadAt(ctx, name, p, from)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return nil, corrupt(name, 0, 0, "the segment is missing")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case n < len(p):
		return nil, corrupt(name, from+int64(n), 0, "the segment ends where it had %d bytes", to)
	}
	return p, nil
}
