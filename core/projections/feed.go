package projections

import (
	"context"
	"fmt"

	"eventstore/core"
)

// feed reads the events of one topic that a run is to fold, in batches, ahead of the fold.
type feed struct {
	log     core.Log
	from    Place // the checkpoint: events behind it are read
	to      Place // the head: the checkpoint once all is folded
	filter  core.Filter
	batches chan batch
	free    chan []core.Event // of batches that were folded, to be filled again
}

// batch is events that are to be folded together. Its end is the place up to which nothing is left to fold.
type batch struct {
	events []core.Event
	end    Place
	err    error
}

// foreignError says that a log has not the event that was folded.
type foreignError struct{ reason string }

func (e *foreignError) Error() string { return e.reason }

// checkPlace makes sure that the log still has the event at the checkpoint. head is the log's.
func checkPlace(ctx context.Context, log core.Log, topic string, from Place, head core.Head) error {
	if from.Position == 0 {
		return nil
	}
	if head.Position < from.Position {
		return &foreignError{fmt.Sprintf("the topic %q ends at position %d, and position %d of it was folded before: its storage was replaced or restored, so only a rebuild helps", topic, head.Position, from.Position)}
	}
	hash := head.Hash
	if head.Position > from.Position {
		for e, err := range log.Read(ctx, core.Query{From: from.Position, To: from.Position}) {
			if err != nil {
				return err
			}
			hash = e.Hash
		}
	}
	if hash != from.Hash {
		return &foreignError{fmt.Sprintf("the topic %q has another event at position %d than the one that was folded: its storage was replaced or restored, so only a rebuild helps", topic, from.Position)}
	}
	return nil
}

// start begins to read, up to the head or to the place until, whichever comes first. It ends with ctx, which the caller ends.
func (f *feed) start(ctx context.Context, size func() (events, bytes int)) {
	f.batches, f.free = make(chan batch, 2), make(chan []core.Event, 2)
	go func() {
		defer close(f.batches)
		f.read(ctx, size)
	}()
}

// folded gives a batch's room back: nothing looks at its events any more.
func (f *feed) folded(b batch) {
	select {
	case f.free <- b.events[:0]:
	default:
	}
}

// room is where to gather the next batch, which begins with the event at position first.
func (f *feed) room(most int, first core.Position) []core.Event {
	select {
	case events := <-f.free:
		return events
	default:
		return make([]core.Event, 0, min(most, int(f.to.Position-first)+1))
	}
}

func (f *feed) send(ctx context.Context, b batch) bool {
	select {
	case f.batches <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *feed) read(ctx context.Context, size func() (events, bytes int)) {
	most, mostBytes := size()
	var events []core.Event
	bytes := 0
	for e, err := range f.log.Read(ctx, core.Query{From: f.from.Position + 1, To: f.to.Position, Filter: f.filter}) {
		if err != nil {
			f.send(ctx, batch{err: err})
			return
		}
		if events == nil {
			events = f.room(most, e.Position)
		}
		events = append(events, e)
		if bytes += len(e.Data) + len(e.DataBase64) + 300; len(events) < most && bytes < mostBytes {
			continue
		}
		if !f.send(ctx, batch{events: events, end: Place{e.Position, e.Hash}}) {
			return
		}
		events, bytes = nil, 0
		most, mostBytes = size()
	}
	f.send(ctx, batch{events: events, end: f.to})
}
