package segment

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sort"

	"eventstore/core"
)

// view is a log as it was at one moment: what lies in it never changes.
type view struct {
	head   core.Head
	closed []part // in order
	open   part
	runs   []*run // which index the closed ones
}

// look takes a view, up to the log's end. While nothing can be added to the open segment, it
// calls visit, unless that is nil, with that segment's index.
func (l *Log) look(ctx context.Context, visit func(*recent)) (v view, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.update(ctx); err != nil {
		return v, err
	}
	if visit != nil {
		if err := l.complete(ctx); err != nil {
			return v, err
		}
		visit(l.recent)
	}
	open := part{ordinal: len(l.closed), before: l.lastClosed(), first: l.end.segment, next: l.end.head.Position + 1, size: l.end.offset, closed: l.end.shut}
	return view{head: l.end.head, closed: l.closed, open: open, runs: l.runs}, nil
}

// count is the number of segments.
func (v view) count() int { return len(v.closed) + 1 }

// part is the segment with that ordinal.
func (v view) part(ordinal int) part {
	if ordinal == len(v.closed) {
		return v.open
	}
	return v.closed[ordinal]
}

// at is the ordinal of the segment that holds a position.
func (v view) at(position core.Position) int {
	return sort.Search(v.count(), func(i int) bool { return v.part(i).first > position }) - 1
}

// Read yields the events that match q, up to the head when the iteration began.
func (l *Log) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		r := reading{log: l, query: q, filter: l.keyer.filter(q.Filter), yield: yield}
		err := r.run(ctx)
		if errors.Is(err, core.ErrCorrupt) && !r.stopped && l.relist(ctx) {
			err = r.resume(ctx)
		}
		if err != nil && !r.stopped {
			yield(core.Event{}, err)
		}
	}
}

// reading is one Read under way.
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
	yield     func(core.Event, error) bool
	stopped   bool // whether yield is not to be called any more
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

// forward yields what is selected of a part.
func (r *reading) forward(ctx context.Context, p part) error {
	spans, err := r.spans(ctx, p)
	if err != nil {
		return err
	}
	for _, s := range spans {
		for pass := r.log.pass(p, s); !r.stopped; {
			c, err := pass.next(ctx)
			if err != nil {
				return err
			}
			if len(c.text) == 0 {
				break
			}
			if err := r.emit(r.selected(c, nil)); err != nil || r.passed {
				return err
			}
		}
	}
	return nil
}

// backward yields what is selected of a part, from its end on.
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
			if err := r.emit(lines); err != nil {
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

// fewLines is how many events are read at most as texts of their own.
const fewLines = 16

// selected adds to lines those of a chunk that are to be yielded. Unfiltered they are parts of one
// text.
func (r *reading) selected(c chunk, lines []string) []string {
	all, begins := "", int64(0)
	c.each(func(offset int64, text []byte) bool {
		position := positionOf(text)
		if position < r.low {
			return true
		}
		if r.passed = position > r.high; r.passed {
			return false
		}
		if few := 0 < r.query.Limit && r.query.Limit <= fewLines; few || len(r.filter) > 0 {
			if one, ok := scanLine(text); ok && r.filter.match(one) {
				lines = append(lines, string(text)) // of its own: who keeps it does not keep the chunk
			}
			return !r.enough(lines)
		}
		if all == "" {
			all, begins = string(c.text[offset-c.offset:]), offset
		}
		at := int(offset - begins)
		lines = append(lines, all[at:at+len(text)])
		return !r.enough(lines)
	})
	return lines
}

// enough reports whether lines, read forward, are all that is still to be yielded.
func (r *reading) enough(lines []string) bool {
	return !r.query.Backward && r.query.Limit > 0 && len(lines) >= r.query.Limit-r.yielded
}

// emit yields lines as events.
func (r *reading) emit(lines []string) error {
	for _, text := range lines {
		e, err := core.ParseLine(text)
		if err != nil {
			return err
		}
		if !r.query.Selects(&e) {
			continue
		}
		r.yielded, r.newest = r.yielded+1, e.Position
		if !r.yield(e, nil) || r.yielded == r.query.Limit {
			r.stopped = true
			return nil
		}
	}
	return nil
}
