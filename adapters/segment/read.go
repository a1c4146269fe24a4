package segment

import (
	"context"
	"errors"
	"slices"

	"eventstore/core"
)

// reading is one Read or ReadLines under way: it finds what is to be read, and gives it to a sink.
type reading struct {
	log       *Log
	query     core.Query
	filter    storedFilter
	view      view
	lookup    lookup
	open      blocks        // where in the open segment there may be what the filter selects
	low, high core.Position // the first and last position looked at
	passed    bool          // a line beyond high was seen
	yielded   int
	newest    core.Position // the last position that was yielded
	buffers   *ring         // of what is read forward
	sink      sink
	stopped   bool // whether the sink takes no more
}

// sink takes what was read.
type sink interface {
	// forward takes a chunk, of which the lines that the reading selects are meant.
	forward(c chunk) error
	// backward takes such lines, the last first.
	backward(lines []string) error
}

func (l *Log) reading(q core.Query, buffers int) *reading {
	return &reading{log: l, query: q, filter: l.keyer.filter(q.Filter), buffers: newRing(buffers)}
}

// read gives the sink all that the query selects, up to the head.
func (r *reading) read(ctx context.Context) error {
	err := r.run(ctx)
	if errors.Is(err, core.ErrCorrupt) && !r.stopped && r.log.relist(ctx) {
		err = r.resume(ctx)
	}
	return err
}

func (r *reading) run(ctx context.Context) (err error) {
	r.passed = false
	if r.open = everywhere; len(r.filter) == 0 {
		r.view, err = r.log.look(ctx, nil)
	} else {
		r.view, err = r.log.look(ctx, func(open *recent) { r.open = r.filter.where(open.blocks) })
	}
	r.lookup = lookup{log: r.log, runs: r.view.runs}
	if err == nil {
		err = r.bound(ctx)
	}
	if err != nil || r.low > r.high {
		return err
	}
	first, last := r.view.at(r.low), r.view.at(r.high)
	for n := first; n <= last && err == nil && !r.stopped; n++ {
		if r.query.Backward {
			err = r.backward(ctx, r.view.part(last-(n-first)))
		} else {
			err = r.forward(ctx, r.view.part(n))
		}
	}
	return err
}

// resume reads on behind what was yielded.
func (r *reading) resume(ctx context.Context) error {
	switch {
	case r.newest > 0 && r.query.Backward && r.newest == 1:
		return nil
	case r.newest > 0 && r.query.Backward:
		r.query.From = r.newest - 1
	case r.newest > 0:
		r.query.From = r.newest + 1
	}
	return r.run(ctx)
}

// bound turns the query's positions and times into the first and last position.
func (r *reading) bound(ctx context.Context) (err error) {
	q := &r.query
	r.low, r.high = q.From, q.To
	if q.Backward {
		r.low, r.high = q.To, q.From
	}
	r.low = max(r.low, 1)
	if head := r.view.head.Position; r.high == 0 || r.high > head {
		r.high = head
	}
	if !q.Since.IsZero() && r.low <= r.high {
		since, err := r.log.firstSince(ctx, r.view, q.Since)
		if err != nil {
			return err
		}
		r.low = max(r.low, since)
	}
	if !q.Until.IsZero() && r.low <= r.high {
		until, err := r.log.firstSince(ctx, r.view, q.Until)
		if err != nil {
			return err
		}
		r.high = min(r.high, until-1)
	}
	return nil
}

// spans are the ranges of a part that have to be read, in order.
func (r *reading) spans(ctx context.Context, p part) ([]span, error) {
	found := r.open
	if p.segment != nil {
		found = r.filter.where(func(k key) blocks { return r.lookup.blocks(ctx, p, k) })
	}
	if r.lookup.err != nil || found.empty() {
		return nil, r.lookup.err
	}
	whole := span{0, p.size}
	if r.low > p.first {
		low, err := r.log.seekPosition(ctx, p, r.low)
		if err != nil {
			return nil, err
		}
		whole.from = low.offset
	}
	if r.high < p.next-1 && r.query.Backward {
		behind, err := r.behind(ctx, p)
		if err != nil {
			return nil, err
		}
		whole.to = behind
	}
	return found.spans(whole), nil
}

// behind is where the first line begins that is beyond the last position looked at.
func (r *reading) behind(ctx context.Context, p part) (offset int64, err error) {
	low, err := r.log.seekPosition(ctx, p, r.high)
	if err != nil {
		return 0, err
	}
	for pass := r.log.pass(p, span{low.offset, p.size}); ; {
		c, err := pass.next(ctx)
		if err != nil || len(c.text) == 0 {
			return p.size, err
		}
		c.each(func(at int64, text []byte) bool {
			if positionOf(text) > r.high {
				offset = at
			}
			return offset == 0
		})
		if offset > 0 {
			return offset, nil
		}
	}
}

// forward gives the sink what is selected of a part.
func (r *reading) forward(ctx context.Context, p part) error {
	spans, err := r.spans(ctx, p)
	if err != nil {
		return err
	}
	for _, s := range spans {
		pass := r.log.pass(p, s)
		for pass.buffers = r.buffers; !r.stopped; {
			c, err := pass.next(ctx)
			if err != nil {
				return err
			}
			if len(c.text) == 0 {
				break
			}
			if err := r.sink.forward(c); err != nil || r.passed {
				return err
			}
		}
	}
	return nil
}

// backward gives the sink what is selected of a part, from its end on.
func (r *reading) backward(ctx context.Context, p part) error {
	spans, err := r.spans(ctx, p)
	if err != nil {
		return err
	}
	size := int64(blockSize)
	for n := len(spans) - 1; n >= 0; n-- {
		for s := spans[n]; s.to > s.from && !r.stopped; s.to -= size {
			size = min(4*size, int64(r.log.options.ReadSize))
			lines, err := r.collect(ctx, p, span{max(s.from, s.to-size), s.to})
			if err != nil {
				return err
			}
			slices.Reverse(lines)
			if err := r.sink.backward(lines); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect is what is selected in a span, in order.
func (r *reading) collect(ctx context.Context, p part, s span) (lines []string, err error) {
	for pass := r.log.pass(p, s); ; {
		c, err := pass.next(ctx)
		if err != nil || len(c.text) == 0 {
			return lines, err
		}
		lines = r.selected(c, lines)
	}
}
