package segment

import (
	"context"
	"iter"

	"eventstore/core"
)

// Read yields the events that match q, up to the head when the iteration began.
func (l *Log) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		r := l.reading(q, 1)
		r.sink = &eventSink{r, yield}
		if err := r.read(ctx); err != nil && !r.stopped {
			yield(core.Event{}, err)
		}
	}
}

// eventSink yields lines as events.
type eventSink struct {
	*reading
	yield func(core.Event, error) bool
}

func (s *eventSink) forward(c chunk) error { return s.backward(s.selected(c, nil)) }

func (s *eventSink) backward(lines []string) error {
	for _, text := range lines {
		e, err := core.ParseLine(text)
		if err != nil {
			return err
		}
		if !s.query.Selects(&e) {
			continue
		}
		s.yielded, s.newest = s.yielded+1, e.Position
		if !s.yield(e, nil) || s.yielded == s.query.Limit {
			s.stopped = true
			return nil
		}
	}
	return nil
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
