package subscribers

import (
	"context"

	"eventstore/core"
)

// The most of a topic's last events that its subscriptions share.
const (
	tailEvents = 1000
	tailBytes  = 1 << 20
)

// tail is a topic's last events, read once for all its subscriptions: of a thousand that want one subject each, a
// publish concerns one, and the others see so without reading the log.
type tail struct {
	events []core.Event // at consecutive positions; never changed in place, since readers keep parts of it
	bytes  int
}

// since is the events from one position to another; none where that is more than a tail holds.
func (t *tail) since(ctx context.Context, log core.Log, from, to core.Position) ([]core.Event, error) {
	if from > to || to-from >= tailEvents {
		return nil, nil
	}
	if len(t.events) == 0 || from < t.events[0].Position {
		t.events, t.bytes = nil, 0
	}
	next := from
	if n := len(t.events); n > 0 {
		next = t.events[n-1].Position + 1
	}
	if next <= to {
		if err := t.read(ctx, log, next, to); err != nil {
			return nil, err
		}
	}
	if len(t.events) == 0 || from < t.events[0].Position || to > t.events[len(t.events)-1].Position {
		return nil, nil
	}
	first := t.events[0].Position
	return t.events[from-first : to-first+1], nil
}

// read reads on. The event before is looked at again: where it is another one, the storage was replaced, or restored,
// and nothing is known of it. What is too much is let go of at the front.
func (t *tail) read(ctx context.Context, log core.Log, from, to core.Position) error {
	events, bytes, first := append([]core.Event(nil), t.events...), t.bytes, from
	if len(events) > 0 {
		first--
	}
	for e, err := range log.Read(ctx, core.Query{From: first, To: to}) {
		switch {
		case err != nil:
			return err
		case e.Position >= from:
			events = append(events, e)
			bytes += sizeOf(&e)
		case e.Hash != events[len(events)-1].Hash:
			*t = tail{}
			return nil
		}
	}
	for len(events) > tailEvents || bytes > tailBytes && len(events) > 0 {
		bytes -= sizeOf(&events[0])
		events = events[1:]
	}
	t.events, t.bytes = events, bytes
	return nil
}
