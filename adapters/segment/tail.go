package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"eventstore/core"
)

const (
	firstRead = 64 << 10
	// mostRead is more than any whole request has.
	mostRead = LargestAppend + LargestAppend/2
)

// catchUp reads on from the end that is known, size bytes at first: what other processes have
// appended since, and what an interrupted append left. The caller holds mu.
func (l *Log) catchUp(ctx context.Context, size int) error {
	for !l.end.shut {
		n, err := l.files.ReadAt(ctx, l.end.name(), l.scratch(size), l.end.offset)
		ended := errors.Is(err, io.EOF)
		switch {
		case errors.Is(err, core.ErrNotFound) && l.guessed:
			return errGuess
		case errors.Is(err, core.ErrNotFound):
			if err = l.createSegment(ctx); err != nil {
				return err
			}
			continue
		case err != nil && !ended:
			return fmt.Errorf("reading %s: %w", l.end.name(), err)
		}
		more, err := l.take(ctx, l.buffer[:n], ended)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		size = min(2*size, mostRead)
	}
	if len(l.buffer) > firstRead {
		l.buffer = nil
	}
	return nil
}

// scratch is a buffer of that size, good until it is asked for again.
func (l *Log) scratch(size int) []byte {
	if len(l.buffer) != size {
		l.buffer = make([]byte, size)
	}
	return l.buffer
}

// take takes in what was read behind the end, and reports whether there may be more to read. At
// the end of the file what is not a whole request is a torn append.
func (l *Log) take(ctx context.Context, text []byte, ended bool) (more bool, err error) {
	before := l.end
	used, err := l.consume(text)
	rolled := l.end.segment != before.segment || l.end.shut
	switch {
	case err != nil:
		return false, err
	case rolled && used < len(text):
		return false, corrupt(before.name(), before.offset+int64(used), l.end.head.Position, "%q behind the segment's closing line", clip(text[used:]))
	case rolled && l.guessed && !l.end.shut:
		return false, errBehind
	case rolled:
		return !l.end.shut, nil
	case ended && used < len(text):
		return true, l.cutTorn(ctx, text[used:])
	case used == 0 && len(text) >= mostRead:
		return false, corrupt(l.end.name(), l.end.offset, l.end.head.Position+1, "no request ends within %d bytes", len(text))
	}
	return !ended, nil
}

// createSegment makes the open segment, which the closing line before it has announced.
func (l *Log) createSegment(ctx context.Context) error {
	if l.end.offset > 0 {
		return corrupt(l.end.name(), 0, l.end.segment, "the segment is missing; it had %d bytes", l.end.offset)
	}
	if err := l.files.Create(ctx, l.end.name(), nil); err != nil && !errors.Is(err, core.ErrConflict) {
		return fmt.Errorf("creating %s: %w", l.end.name(), err)
	}
	return nil
}

// consume checks the whole requests and the closing line at the beginning of text, which stands
// at the end, moves the end behind them, and reports how many bytes they are.
func (l *Log) consume(text []byte) (used int, err error) {
	good, err := l.check(text)
	if good.used > 0 {
		l.advance(good)
	}
	if err != nil {
		return good.used, err
	}
	rest := text[good.used:]
	if size := bytes.IndexByte(rest, '\n'); size >= 0 && isClosing(rest) {
		return good.used + size + 1, l.closing(rest[:size])
	}
	return good.used, nil
}

// checked is how far whole requests go that were checked, and the last event of them.
type checked struct {
	used     int
	requests int
	head     core.Head
}

// check checks the whole requests at the beginning of text, up to a closing line.
func (l *Log) check(text []byte) (good checked, err error) {
	chain, position, at := core.NewChain(l.end.head.Hash), l.end.head.Position, 0
	var last line
	defer func() { good.head.Recorded = parseRecorded(last.recorded) }()
	for {
		size := bytes.IndexByte(text[at:], '\n')
		if size < 0 || at == good.used && isClosing(text[at:]) {
			return good, nil
		}
		place := l.end.offset + int64(at)
		one, err := follows(chain, position, text[at:at+size])
		if err != nil {
			return good, corrupt(l.end.name(), place, position+1, "%v", err)
		}
		l.recent.add(l.keyer, place, one)
		at, position = at+size+1, one.position
		if !one.more {
			good.used, last = at, one
			good.requests++
			good.head.Position, good.head.Hash = position, chain.Hash()
		}
	}
}

// parseRecorded reads what core.FormatTime wrote; the zero time where there is nothing.
func parseRecorded(text []byte) time.Time {
	t, _ := core.ParseTime(string(text))
	return t
}

// follows checks that a line is the event behind position, and steps chain over it.
func follows(chain *core.Chain, position core.Position, text []byte) (line, error) {
	if err := chain.Next(text); err != nil {
		return line{}, err
	}
	one, ok := scanLine(text)
	if !ok {
		return one, fmt.Errorf("%q is not an event", clip(text))
	}
	if one.position != position+1 {
		return one, fmt.Errorf("position %d stands where %d must", one.position, position+1)
	}
	return one, nil
}

// advance moves the end behind requests that were checked or written.
func (l *Log) advance(good checked) {
	l.end.offset += int64(good.used)
	l.end.appends += good.requests
	l.end.head = good.head
}

// closing moves the end behind the line that closes the segment.
func (l *Log) closing(text []byte) error {
	shut, err := checkClosing(text, l.end.head.Position)
	if err == nil && !shut && l.end.offset == 0 {
		err = errors.New("a segment without an event is closed")
	}
	if err != nil {
		return corrupt(l.end.name(), l.end.offset, l.end.head.Position+1, "%v", err)
	}
	l.closeSegment(shut, int64(len(text))+1)
	return nil
}

// closeSegment moves the end behind a closing line of that size.
func (l *Log) closeSegment(shut bool, size int64) {
	l.end.offset += size
	if shut {
		l.end.shut = true
		return
	}
	head := l.end.head
	segment := l.addClosed(l.end.segment, head.Position+1, l.end.offset)
	segment.hash.Store(&head.Hash)
	if l.recent.from == 0 {
		segment.recent.Store(l.recent)
	}
	l.end = end{segment: head.Position + 1, head: head}
	l.recent, l.checkpointed = new(recent), 0
	if old := len(l.closed) - 1 - mostRecent; old >= 0 {
		l.closed[old].segment.recent.Store(nil)
	}
	if l.unindexed++; l.unindexed >= mostRecent/2 {
		l.maintainSoon() // who closed them does not get to it
	}
}

// mostRecent is how many closed segments have their index kept in memory where it can't be written.
const mostRecent = 4
