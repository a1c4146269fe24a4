package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"eventstore/core"
)

// part is what is looked at of one segment.
type part struct {
	ordinal     int            // the number of segments before
	segment     *closedSegment // nil for the open one
	before      *part          // the segment before; nil for the first
	first, next core.Position
	size        int64 // how many bytes of the segment there are to see
	closed      bool  // whether these end with a closing line
}

func (p part) name() string { return segmentName(p.first) }

// chunk is some whole lines of a segment, each checked against the hash of the one before. It
// is good until the next one is asked for, or longer where its buffer's turn is over.
type chunk struct {
	offset      int64
	text        []byte
	first, last core.Position // of its events, which have every position between
}

// each calls visit with the chunk's lines, without their newlines, until it returns false.
func (c chunk) each(visit func(offset int64, text []byte) bool) {
	for at := 0; at < len(c.text); {
		size := bytes.IndexByte(c.text[at:], '\n')
		if !visit(c.offset+int64(at), c.text[at:at+size]) {
			return
		}
		at += size + 1
	}
}

// pass reads a span of a segment forward, checking every line.
type pass struct {
	log     *Log
	part    part
	span    span
	chain   *core.Chain   // nil until the first line's place is known
	expect  core.Position // of the first line of rest; 0 when it is not known
	at      int64         // the offset of the first byte of rest
	rest    []byte        // read and not yet passed
	size    int           // of the next read
	ended   bool          // at the file's end, or the closing line
	buffers *ring         // which rest is in
}

func (l *Log) pass(p part, s span) *pass {
	return &pass{log: l, part: p, span: s, at: s.from, size: min(firstRead, l.options.ReadSize), buffers: newRing(1)}
}

// next is the next chunk; an empty one when the span is at its end.
func (r *pass) next(ctx context.Context) (chunk, error) {
	if r.chain == nil {
		if err := r.start(ctx); err != nil {
			return chunk{}, err
		}
	}
	for {
		if r.ended || r.at >= r.span.to {
			return chunk{}, r.atEnd()
		}
		first, good, err := r.check()
		if err != nil || good > 0 {
			c := chunk{r.at, r.rest[:good], first, r.expect - 1}
			r.at, r.rest = r.at+int64(good), r.rest[good:]
			return c, err
		}
		if r.ended {
			continue
		}
		if err := r.read(ctx); err != nil {
			return chunk{}, err
		}
	}
}

// atEnd checks that a closed segment that was passed to its end has its closing line.
func (r *pass) atEnd() error {
	if r.part.closed && !r.ended && r.at >= r.part.size {
		return corrupt(r.part.name(), r.at, r.part.next-1, "the segment ends without a closing line")
	}
	return nil
}

// start finds the first line that begins in the span, and the hash before it.
func (r *pass) start(ctx context.Context) (err error) {
	if r.span.from == 0 {
		previous, err := r.log.previous(ctx, r.part)
		r.chain, r.expect = core.NewChain(previous), r.part.first
		return err
	}
	r.at = max(r.span.from-int64(beforeLine), 0) // before beforeLine only the first line begins
	for {
		if err := r.read(ctx); err != nil {
			return err
		}
		if i := bytes.IndexByte(r.rest[min(beforeLine-1, len(r.rest)):], '\n'); i >= 0 {
			return r.startBehind(beforeLine + i)
		}
	}
}

// startBehind begins with the line that begins n bytes behind what was read.
func (r *pass) startBehind(n int) error {
	hash, ok := statedHash(r.rest[:n])
	if !ok && r.at+int64(n) < r.span.to {
		return corrupt(r.part.name(), r.at+int64(n), 0, "the line before does not end with a hash")
	}
	r.chain = core.NewChain(hash)
	r.at, r.rest = r.at+int64(n), r.rest[n:]
	return nil
}

// lineHint is as long as most lines are.
const lineHint = 1 << 10

// read reads on behind rest.
func (r *pass) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	offset := r.at + int64(len(r.rest))
	if offset >= r.part.size {
		return corrupt(r.part.name(), offset, 0, "the segment ends in the middle of a line")
	}
	size := int64(max(r.size, len(r.rest)))   // of a long line as much again as there is
	if left := r.span.to - offset; left > 0 { // and most of a last line that begins in the span
		size = min(size, left+lineHint)
	}
	size = min(size, r.part.size-offset)
	r.size = min(4*r.size, r.log.options.ReadSize)
	buffer := r.buffers.take(len(r.rest) + int(size))
	kept := copy(buffer, r.rest)
	n, err := r.log.files.ReadAt(ctx, r.part.name(), buffer[kept:], offset)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return corrupt(r.part.name(), 0, r.part.first, "the segment is missing")
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading %s: %w", r.part.name(), err)
	case n < int(size):
		return corrupt(r.part.name(), offset+int64(n), 0, "the segment ends where it had %d bytes", r.part.size)
	}
	r.rest = buffer
	return nil
}

// first is the first line of the span, and where it begins; none when no line begins in it.
func (r *pass) first(ctx context.Context) (offset int64, text []byte, err error) {
	if r.chain == nil {
		if err := r.start(ctx); err != nil {
			return 0, nil, err
		}
	}
	for r.at < r.span.to {
		if i := bytes.IndexByte(r.rest, '\n'); i >= 0 {
			r.rest, r.span.to = r.rest[:i+1], r.at+1
			_, good, err := r.check()
			return r.at, r.rest[:max(good-1, 0)], err
		}
		if err := r.read(ctx); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, nil
}

// check checks the whole lines of rest that begin in the span, and reports how many bytes they
// are, and the position of the first.
func (r *pass) check() (first core.Position, good int, err error) {
	for r.at+int64(good) < r.span.to {
		size := bytes.IndexByte(r.rest[good:], '\n')
		if size < 0 {
			return first, good, nil
		}
		text := r.rest[good : good+size]
		if isClosing(text) {
			r.ended = true
			return first, good, r.checkEnd(text, r.at+int64(good))
		}
		position, err := r.follows(text)
		if err != nil {
			return first, good, corrupt(r.part.name(), r.at+int64(good), position, "%v", err)
		}
		if good == 0 {
			first = position
		}
		good += size + 1
	}
	return first, good, nil
}

// follows checks that a line is the event behind the one that was passed last, and reports its position.
func (r *pass) follows(text []byte) (core.Position, error) {
	position := positionOf(text)
	if err := r.chain.Next(text); err != nil {
		return position, err
	}
	switch {
	case position == 0:
		return position, fmt.Errorf("%q is not an event", clip(text))
	case r.expect > 0 && position != r.expect:
		return position, fmt.Errorf("position %d stands where %d must", position, r.expect)
	}
	r.expect = position + 1
	return position, nil
}

// checkEnd checks that a closing line at that offset is the one with which the segment ends.
func (r *pass) checkEnd(text []byte, at int64) error {
	shut, err := checkClosing(text, r.part.next-1)
	if err == nil && r.expect > 0 && r.expect != r.part.next {
		err = fmt.Errorf("position %d where the segment ends at %d", r.expect-1, r.part.next-1)
	}
	if err == nil && (!r.part.closed || shut != (r.part.segment == nil) || at+int64(len(text))+1 != r.part.size) {
		err = fmt.Errorf("%q in the middle of the segment", clip(text))
	}
	if err != nil {
		return corrupt(r.part.name(), at, r.part.next-1, "%v", err)
	}
	return nil
}

// ring has buffers that are read into by turns, so that what is in one stays from the end of its turn on until
// all the others had theirs.
type ring struct {
	buffers [][]byte
	at      int
}

func newRing(size int) *ring { return &ring{buffers: make([][]byte, size)} }

func (r *ring) turn() { r.at = (r.at + 1) % len(r.buffers) }

// take is the buffer whose turn it is, or a larger one in its place, of that size.
func (r *ring) take(size int) []byte {
	if cap(r.buffers[r.at]) < size {
		r.buffers[r.at] = make([]byte, max(size+lineHint, 2*cap(r.buffers[r.at])))
	}
	return r.buffers[r.at][:size]
}

// previous is the hash before a segment's first event.
func (l *Log) previous(ctx context.Context, p part) (core.Hash, error) {
	if p.before == nil {
		return core.Hash{}, nil
	}
	return l.statedEnd(ctx, *p.before)
}
