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
// is good until the next one is asked for.
type chunk struct {
	offset int64
	text   []byte
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
	log   *Log
	part  part
	span  span
	chain *core.Chain // nil until the first line's place is known
	at    int64       // the offset of the first byte of rest
	rest  []byte      // read and not yet passed
	size  int         // of the next read
	ended bool        // at the file's end, or the closing line
	spare []byte      // the buffer that rest is a part of
}

func (l *Log) pass(p part, s span) *pass {
	return &pass{log: l, part: p, span: s, at: s.from, size: min(firstRead, l.options.ReadSize)}
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
		good, err := r.check()
		if err != nil || good > 0 {
			c := chunk{r.at, r.rest[:good]}
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
		r.chain = core.NewChain(previous)
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
	size := int64(r.size)
	if left := r.span.to - offset; left > 0 { // and most of a last line that begins in the span
		size = min(size, left+lineHint)
	}
	size = min(size, r.part.size-offset)
	r.size = min(4*r.size, r.log.options.ReadSize)
	if need := len(r.rest) + int(size); cap(r.spare) < need {
		r.spare = make([]byte, need)
	}
	kept := copy(r.spare[:cap(r.spare)], r.rest)
	n, err := r.log.files.ReadAt(ctx, r.part.name(), r.spare[kept:kept+int(size)], offset)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return corrupt(r.part.name(), 0, r.part.first, "the segment is missing")
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading %s: %w", r.part.name(), err)
	case n < int(size):
		return corrupt(r.part.name(), offset+int64(n), 0, "the segment ends where it had %d bytes", r.part.size)
	}
	r.rest = r.spare[:kept+n]
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
			good, err := r.check()
			return r.at, r.rest[:max(good-1, 0)], err
		}
		if err := r.read(ctx); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, nil
}

// check checks the whole lines of rest that begin in the span, and reports how many bytes they
// are.
func (r *pass) check() (good int, err error) {
	for r.at+int64(good) < r.span.to {
		size := bytes.IndexByte(r.rest[good:], '\n')
		if size < 0 {
			return good, nil
		}
		text := r.rest[good : good+size]
		if isClosing(text) {
			r.ended = true
			return good, r.checkEnd(text, r.at+int64(good))
		}
		if err := r.chain.Next(text); err != nil {
			one, _ := scanLine(text)
			return good, corrupt(r.part.name(), r.at+int64(good), one.position, "%v", err)
		}
		good += size + 1
	}
	return good, nil
}

// checkEnd checks that a closing line at that offset is the one with which the segment ends.
func (r *pass) checkEnd(text []byte, at int64) error {
	shut, err := checkClosing(text, r.part.next-1)
	if err == nil && (!r.part.closed || shut != (r.part.segment == nil) || at+int64(len(text))+1 != r.part.size) {
		err = fmt.Errorf("%q in the middle of the segment", clip(text))
	}
	if err != nil {
		return corrupt(r.part.name(), at, r.part.next-1, "%v", err)
	}
	return nil
}

// previous is the hash before a segment's first event.
func (l *Log) previous(ctx context.Context, p part) (core.Hash, error) {
	if p.before == nil {
		return core.Hash{}, nil
	}
	return l.statedEnd(ctx, *p.before)
}
