package postgres

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"eventstore/core"
)

const (
	// pageRows and pageBytes bound what is read at once, and so the memory of a read; a
	// connection is held for a page, never while an event is looked at.
	pageRows  = 1000
	pageBytes = 4 << 20
	// pageMemory bounds a page whose data PostgreSQL keeps compressed.
	pageMemory = 32 << 20
)

// Read yields the events that match q, up to the head when the iteration began, page by page.
// Each one's hash is recomputed.
func (l *Log) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		if err := l.read(ctx, q, yield); err != nil {
			yield(core.Event{}, fmt.Errorf("reading %s: %w", l.tables.place(), err))
		}
	}
}

// read is Read; what it returns is yet to be yielded.
func (l *Log) read(ctx context.Context, q core.Query, yield func(core.Event, error) bool) error {
	r, err := l.newReading(ctx, q)
	for left := q.Limit; err == nil && r.low <= r.high && !r.ended; {
		if err = ctx.Err(); err != nil {
			break
		}
		if err = r.next(ctx, left); err != nil {
			break
		}
		for i := range r.page {
			if !yield(r.page[i], nil) {
				return nil
			}
		}
		if left -= len(r.page); q.Limit > 0 && left == 0 {
			return nil
		}
	}
	return err
}

// reading is how far a read has come.
type reading struct {
	log       *Log
	query     core.Query
	match     match     // what the filter comes to, nil where all is read
	head      core.Head // when the read began
	low, high core.Position
	previous  core.Hash // of the event before low, once known is true
	known     bool
	ended     bool
	page      []core.Event
}

func (l *Log) newReading(ctx context.Context, q core.Query) (*reading, error) {
	head, _, err := l.head(ctx)
	if err != nil {
		return nil, err
	}
	r := &reading{log: l, query: q, match: newMatch(q.Filter), head: head}
	r.low, r.high = max(q.From, 1), q.To
	if q.Backward {
		r.low, r.high = max(q.To, 1), q.From
	}
	if r.high == 0 || r.high > head.Position {
		r.high = head.Position
	}
	return r, r.boundTimes(ctx)
}

// boundTimes turns the query's times into positions: recorded never decreases along a log,
// so that they are found by halving, without an index.
func (r *reading) boundTimes(ctx context.Context) error {
	if !r.query.Since.IsZero() {
		first, err := r.log.firstSince(ctx, r.head, r.query.Since)
		if err != nil {
			return err
		}
		r.low = max(r.low, first)
	}
	if !r.query.Until.IsZero() {
		end, err := r.log.firstSince(ctx, r.head, r.query.Until)
		if err != nil {
			return err
		}
		r.high = min(r.high, end-1)
	}
	return nil
}

const firstSinceSQL = `
with recursive halves (low, high) as (
	select 1::bigint, $1 + 1
	union all
	select case when e.recorded < $2 then m.middle + 1 else h.low end,
		case when e.recorded < $2 then h.high else m.middle end
	from halves h
	cross join lateral (select (h.low + h.high) / 2 as middle) m
	join {events} e on e.position = m.middle
	where h.low < h.high
)
select low from halves where low = high`

// firstSince is the first position that was recorded at t or later, else one past the head.
func (l *Log) firstSince(ctx context.Context, head core.Head, t time.Time) (first core.Position, err error) {
	p := new(parameters)
	p.bigint(int64(head.Position))
	p.timestamp(roundUp(t))
	err = l.database.read(ctx, statement{sql: l.tables.sql(firstSinceSQL)}, p, func() { first = 0 }, func(r row) {
		first = core.Position(r.bigint(0))
	})
	if err == nil && first == 0 {
		err = &core.CorruptError{Place: l.tables.place(), Reason: "a row before the head is missing"}
	}
	return first, err
}

// roundUp is the first whole microsecond that is not before t.
func roundUp(t time.Time) time.Time {
	if whole := core.Truncate(t); !whole.Before(t) {
		return whole
	}
	return core.Truncate(t).Add(time.Microsecond)
}

// next reads the next page and moves past it. There are at most left events in it, where
// left is not 0.
func (r *reading) next(ctx context.Context, left int) error {
	rows := pageRows
	if left > 0 {
		rows = min(rows, left)
	}
	fetched, cut, err := r.fetch(ctx, rows)
	if err != nil {
		return err
	}
	if r.page, err = r.verify(fetched); err != nil {
		return err
	}
	if n := len(fetched); n == 0 || r.match != nil && n < rows && !cut {
		r.ended = true
		return nil
	}
	last := r.page[len(r.page)-1].Position
	if r.query.Backward {
		r.high = last - 1
	} else {
		r.low = last + 1
	}
	return nil
}

// fetched is a row with the hash of the position before it, where that was asked for.
type fetched struct {
	event    core.Event
	previous *core.Hash
	err      error // what is wrong with the row
}

// fetch reads at most so many rows; cut tells that there may be fewer since they are large.
func (r *reading) fetch(ctx context.Context, rows int) (page []fetched, cut bool, err error) {
	s, p := r.pageStatement(rows)
	size, memory := 0, 0
	begin := func() { page, cut, size, memory = nil, false, 0, 0 }
	err = r.log.database.read(ctx, s, p, begin, func(row row) {
		if size, memory = size+row.dataSize(), memory+row.size(); memory > pageMemory && len(page) > 0 {
			cut = true // the rest is thrown away, and read again as the next page
			return
		}
		page = append(page, newFetched(row))
	})
	return page, cut || size >= pageBytes, err
}

func newFetched(r row) fetched {
	f := fetched{}
	f.event, f.err = r.event()
	if r[previousColumn] != nil {
		var previous core.Hash
		previous, err := r.hash(previousColumn)
		f.previous = &previous
		if f.err == nil {
			f.err = err
		}
	}
	return f
}

// verify checks each event of a page against the chain, and that none is missing where all
// are read.
func (r *reading) verify(page []fetched) ([]core.Event, error) {
	if len(page) == 0 && r.match == nil {
		return nil, r.corrupt(r.expected(), "its row is missing")
	}
	events := make([]core.Event, len(page))
	for i := range page {
		e := &page[i].event
		if r.match == nil && e.Position != r.expected()+r.step(i) {
			return nil, r.corrupt(r.expected()+r.step(i), "its row is missing")
		}
		if err := r.verifyEvent(&page[i]); err != nil {
			return nil, err
		}
		events[i] = *e
	}
	return events, nil
}

// expected is the position of the next event, where all are read.
func (r *reading) expected() core.Position {
	if r.query.Backward {
		return r.high
	}
	return r.low
}

func (r *reading) step(i int) core.Position {
	if r.query.Backward {
		return core.Position(-i)
	}
	return core.Position(i)
}

func (r *reading) verifyEvent(f *fetched) error {
	e := &f.event
	if f.err != nil {
		return r.corrupt(e.Position, "%v", f.err)
	}
	previous := r.previous
	switch {
	case f.previous != nil:
		previous = *f.previous
	case e.Position == 1:
		previous = core.Hash{}
	case !r.known:
		return r.corrupt(e.Position-1, "its row is missing")
	}
	if err := core.NewChain(previous).NextEvent(e); err != nil {
		return r.corrupt(e.Position, "%s", strings.TrimPrefix(err.Error(), core.ErrCorrupt.Error()+": "))
	}
	if e.Position == r.head.Position && e.Hash != r.head.Hash {
		return r.corrupt(e.Position, "its hash is %s, the head's is %s", e.Hash, r.head.Hash)
	}
	r.previous, r.known = e.Hash, r.inOrder()
	return nil
}

// inOrder reports whether each event that is read follows the one read before it.
func (r *reading) inOrder() bool { return r.match == nil && !r.query.Backward }

func (r *reading) corrupt(position core.Position, format string, args ...any) error {
	return &core.CorruptError{Place: r.log.tables.place(), Position: position, Reason: fmt.Sprintf(format, args...)}
}
