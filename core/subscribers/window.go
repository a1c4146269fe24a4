package subscribers

import (
	"eventstore/core"
)

// The most that a subscription's window holds, of events that were read and not yet passed; where
// its batches are large it is two of them.
const (
	windowEvents = 512
	windowBytes  = 4 << 20
)

// entry is one event of a window.
type entry struct {
	event core.Event
	lane  string
	sent  bool // a delivery with it is under way
	done  bool // delivered, or behind a hold
}

// sizeOfWindow is the most events of a window from which deliveries of batch events are made.
func sizeOfWindow(batch int) int { return max(windowEvents, 2*batch) }

// window is the stretch of the log at which first attempts are made. Events leave it at its
// front, in order, when they are done.
type window struct {
	entries []*entry
	most    int // entries
	bytes   int
	read    core.Position // what has been looked at ends before
	passed  place         // the last event that left
}

// full reports whether no more events are to be read now.
func (w *window) full() bool { return len(w.entries) >= w.most || w.bytes >= windowBytes }

// add takes in the next event that matches.
func (w *window) add(e core.Event, held bool) {
	w.entries = append(w.entries, &entry{event: e, lane: lane(&e), done: held})
	w.bytes += sizeOf(&e)
	w.read = e.Position + 1
}

func sizeOf(e *core.Event) int { return 200 + len(e.Data) + len(e.DataBase64) + len(e.Metadata) }

// next is the position of the first event that is not done, or where reading goes on.
func (w *window) next() core.Position {
	passed := 0
	for passed < len(w.entries) && w.entries[passed].done {
		e := &w.entries[passed].event
		w.bytes -= sizeOf(e)
		w.passed = placeOf(e.Head())
		passed++
	}
	w.entries = w.entries[passed:]
	if len(w.entries) == 0 {
		return w.read
	}
	return w.entries[0].event.Position
}

// compose takes the next delivery of at most most events, in order of position, from lanes
// that are free; it is nil where there is none. Every event of its lanes between its first
// and its last is in it.
func (w *window) compose(free func(lane string) bool, most int) []*entry {
	var taken []*entry
	bytes := 0
	for _, e := range w.entries {
		if e.done || e.sent || !free(e.lane) {
			continue
		}
		if bytes += sizeOf(&e.event); len(taken) > 0 && bytes > windowBytes {
			break
		}
		if taken = append(taken, e); len(taken) == most {
			break
		}
	}
	return taken
}

// waiting reports whether an event is there whose lane is free.
func (w *window) waiting(free func(lane string) bool) bool { return len(w.compose(free, 1)) > 0 }

// hold marks the events of lanes as done: they are behind a hold from now on, and are
// found again by reading.
func (w *window) hold(held func(lane string) bool) {
	for _, e := range w.entries {
		if held(e.lane) && !e.sent {
			e.done = true
		}
	}
}

func eventsOf(entries []*entry) []core.Event {
	events := make([]core.Event, len(entries))
	for i, e := range entries {
		events[i] = e.event
	}
	return events
}
