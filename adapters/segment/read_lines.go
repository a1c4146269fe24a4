package segment

import (
	"context"
	"fmt"
	"iter"

	"eventstore/core"
)

// aheadBuffers are for the lines that are being used, those that wait, and those that are being read.
const aheadBuffers = 3

// ReadLines yields the lines of the events that match q, each with its newline, up to the head when the
// iteration began. While one piece is used the next is read and checked. It relies on recorded never decreasing.
func (l *Log) ReadLines(ctx context.Context, q core.Query) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		pieces, failed := make(chan []byte, aheadBuffers-2), make(chan error, 1)
		go func() {
			defer close(pieces)
			failed <- l.sendLines(ctx, q, pieces)
		}()
		defer func() {
			stop()
			for range pieces { // until the goroutine has ended
			}
		}()
		for piece := range pieces {
			if !yield(piece, nil) {
				return
			}
		}
		if err := <-failed; err != nil {
			yield(nil, err)
		}
	}
}

// sendLines sends the lines of the events that match q.
func (l *Log) sendLines(ctx context.Context, q core.Query, pieces chan<- []byte) error {
	r := l.reading(q, aheadBuffers)
	r.sink = &lineSink{r, func(piece []byte) error {
		select {
		case pieces <- piece:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	return r.read(ctx)
}

// lineSink sends lines as they are stored, in pieces of many.
type lineSink struct {
	*reading
	send func(piece []byte) error
}

func (s *lineSink) forward(c chunk) error {
	if s.all(c) {
		s.passed = c.last == s.high
		return s.finish(c.text, int(c.last-c.first)+1, c.last)
	}
	return s.keep(c)
}

// all reports whether every line of a chunk is selected.
func (s *lineSink) all(c chunk) bool {
	return len(s.filter) == 0 && c.first >= s.low && c.last <= s.high &&
		(s.query.Limit == 0 || int64(c.last-c.first) < int64(s.left()))
}

// left is how many lines the limit still allows.
func (s *lineSink) left() int { return s.query.Limit - s.yielded }

// keep moves the lines that are selected together, at the beginning of their chunk, and sends them.
func (s *lineSink) keep(c chunk) (err error) {
	kept, count, newest := c.text[:0], 0, core.Position(0)
	c.each(func(_ int64, text []byte) bool {
		position, selected := positionOf(text), len(s.filter) == 0
		if position < s.low {
			return true
		}
		if s.passed = position > s.high; s.passed {
			return false
		}
		if !selected {
			if selected, err = s.matches(text); err != nil {
				return false
			}
		}
		if selected {
			kept, count, newest = append(append(kept, text...), '\n'), count+1, position
		}
		return s.query.Limit == 0 || count < s.left()
	})
	if err != nil {
		return err
	}
	return s.finish(kept, count, newest)
}

// matches reports whether the filter selects a line.
func (s *lineSink) matches(text []byte) (bool, error) {
	one, ok := scanLine(text)
	if !ok {
		return false, fmt.Errorf("%w: %q is not an event", core.ErrCorrupt, clip(text))
	}
	return s.filter.match(one), nil
}

func (s *lineSink) backward(lines []string) error {
	if s.query.Limit > 0 {
		lines = lines[:min(len(lines), s.left())]
	}
	var piece []byte
	newest := core.Position(0)
	for _, text := range lines {
		at := len(piece)
		piece = append(append(piece, text...), '\n')
		newest = positionOf(piece[at:])
	}
	return s.finish(piece, len(lines), newest)
}

// finish sends so many lines, the last of which has position newest. What is read next goes into another buffer.
func (s *lineSink) finish(piece []byte, count int, newest core.Position) error {
	if count == 0 {
		return nil
	}
	s.yielded, s.newest = s.yielded+count, newest
	s.stopped = s.query.Limit > 0 && s.left() == 0
	s.buffers.turn()
	return s.send(piece)
}
