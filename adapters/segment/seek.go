package segment

import (
	"context"
	"sort"
	"time"

	"eventstore/core"
)

// near is how many bytes are rather read than searched.
const near = blockSize / 2

// place is where a line begins in a segment, and its position.
type place struct {
	offset   int64
	position core.Position
}

// seekPosition finds a line of a segment at or a little before a position. It guesses by the
// length of the lines around; every line it looks at is checked.
func (l *Log) seekPosition(ctx context.Context, p part, target core.Position) (place, error) {
	low, high := place{0, p.first}, place{p.size, p.next}
	for try := 0; ; try++ {
		average := float64(high.offset-low.offset) / float64(high.position-low.position)
		away := int64(average * float64(target-low.position))
		if away < near || high.offset-low.offset < near {
			return low, nil
		}
		at := low.offset + away - near/2
		if try > 2 || at <= low.offset || at >= high.offset {
			at = (low.offset + high.offset) / 2
		}
		if err := l.narrow(ctx, p, at, &low, &high, func(one line) bool { return one.position > target }); err != nil {
			return low, err
		}
	}
}

// narrow looks at the first line at or behind an offset between low and high, and moves one of them
// there: high if there is none, or it is past what is sought, else low.
func (l *Log) narrow(ctx context.Context, p part, at int64, low, high *place, past func(line) bool) error {
	offset, text, err := l.pass(p, span{at, high.offset}).first(ctx)
	if err != nil {
		return err
	}
	one, ok := scanLine(text)
	switch {
	case !ok:
		high.offset = at
	case past(one):
		*high = place{at, one.position}
	default:
		*low = place{offset, one.position}
	}
	return nil
}

// firstSince is the first position whose event was recorded at or after t; the one behind the
// head when there is none. It relies on recorded never decreasing.
func (l *Log) firstSince(ctx context.Context, v view, t time.Time) (position core.Position, err error) {
	if v.head.Recorded.Before(t) {
		return v.head.Position + 1, nil
	}
	since := func(one line) bool { return !parseRecorded(one.recorded).Before(t) }
	n := sort.Search(v.count(), func(i int) bool {
		if err != nil {
			return true
		}
		var text []byte
		_, text, err = l.pass(v.part(i), span{0, v.part(i).size}).first(ctx)
		one, ok := scanLine(text)
		return !ok || since(one)
	})
	if err != nil || n == 0 {
		return 1, err
	}
	return l.firstSinceIn(ctx, v.part(n-1), since)
}

// firstSinceIn is the position of the first event of a segment of which since is true, or the one
// behind its last.
func (l *Log) firstSinceIn(ctx context.Context, p part, since func(line) bool) (core.Position, error) {
	low, high := place{0, p.first}, place{p.size, p.next}
	for high.offset-low.offset > near {
		if err := l.narrow(ctx, p, (low.offset+high.offset)/2, &low, &high, since); err != nil {
			return 0, err
		}
	}
	for pass := l.pass(p, span{low.offset, p.size}); ; {
		c, err := pass.next(ctx)
		if err != nil || len(c.text) == 0 {
			return p.next, err
		}
		found := core.Position(0)
		c.each(func(_ int64, text []byte) bool {
			if one, _ := scanLine(text); since(one) {
				found = one.position
			}
			return found == 0
		})
		if found > 0 {
			return found, nil
		}
	}
}
