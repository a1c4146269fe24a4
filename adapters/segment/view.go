package segment

import (
	"context"
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
