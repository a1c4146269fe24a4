package commands

import (
	"time"

	"eventstore/core"
)

// plan is a batch as it will be appended behind a head: the requests that passed, their
// new events, and the answers that must wait for those.
type plan struct {
	topic  string
	after  core.Head
	events []core.Event
	ids    map[string]int // of the events of requests that gave ids; index in events
	parts  []part
}

// part is what will be answered to a request once the batch is stored.
type part struct {
	*pending
	result Result
	err    error
}

// plan checks each request of a batch against the log as it will be with those before it.
// What rests on stored events alone is answered at once; what can't be decided from
// memory is sent back to be looked at again.
func (c *committer) plan(batch []*pending) *plan {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b := &plan{topic: c.topic.Name, after: c.window.head, parts: make([]part, 0, len(batch))}
	events, _ := measure(batch)
	b.events = make([]core.Event, 0, events)
	now := core.Truncate(c.publisher.config.Now())
	for _, p := range batch {
		if out, decided := b.admit(p, &c.window, now); decided {
			p.done <- out
		}
	}
	return b
}

// admit takes a request into the batch, or decides it.
func (b *plan) admit(p *pending, w *window, now time.Time) (out outcome, decided bool) {
	if !p.checks() {
		b.take(p, nil, now)
		return out, false
	}
	if !w.covers(p.checked) {
		return outcome{again: true}, true
	}
	places, again, err := b.findIDs(p, w)
	if again {
		return outcome{again: true}, true
	}
	if err == nil && p.fresh(places) > 0 {
		out, decided, err = b.condition(p, w)
		if decided {
			return out, true
		}
	}
	if err != nil { // it rests on an event of this batch, so it waits for it
		b.parts = append(b.parts, part{pending: p, err: err})
		return out, false
	}
	b.take(p, places, now)
	return out, false
}

// findIDs places the events whose ids events of this batch have. An id that was stored since
// the request was looked at must be looked at again: the stored event's content tells what it is.
func (b *plan) findIDs(p *pending, w *window) (places []core.Position, again bool, err error) {
	places = p.places
	for i := range p.events {
		if places != nil && places[i] != 0 || !p.given {
			continue
		}
		e := &p.events[i]
		if _, ok := w.ids[e.ID]; ok {
			return nil, true, nil
		}
		j, ok := b.ids[e.ID]
		if !ok {
			continue
		}
		place := b.after.Position + 1 + core.Position(j)
		if !e.SameContent(&b.events[j]) {
			return nil, false, &IDConflictError{ID: e.ID, Position: place, Index: i}
		}
		places = append([]core.Position(nil), places...)
		if places == nil {
			places = make([]core.Position, len(p.events))
		}
		places[i] = place
	}
	return places, false, nil
}

// condition checks a request's condition. Where stored events alone break it, it is decided.
func (b *plan) condition(p *pending, w *window) (out outcome, decided bool, err error) {
	head := b.after.Position + core.Position(len(b.events))
	if want := p.condition.Head; want != nil && *want != head {
		switch {
		case *want < b.after.Position:
			return p.refused(&ConditionError{Head: b.after.Position}), true, nil
		case *want > head: // it was seen there, so the window is behind
			return outcome{again: true}, true, nil
		}
		return out, false, &ConditionError{Head: head}
	}
	items, after := p.condition.FailIfMatch, p.condition.After
	if at := w.match(items, max(after, p.checked), w.head.Position); at > 0 {
		return p.refused(&ConditionError{Head: b.after.Position, Position: at}), true, nil
	}
	if len(items) == 0 {
		return out, false, nil
	}
	for i := range b.events {
		at := b.after.Position + 1 + core.Position(i)
		if at > after && core.Filter(items).Match(&b.events[i]) {
			return out, false, &ConditionError{Head: head, Position: at}
		}
	}
	return out, false, nil
}

// refused is the outcome of a request whose condition stored events break. One that gave ids is looked at again, since
// by now another instance may have stored them: see [committer.look].
func (p *pending) refused(err error) outcome {
	if p.given {
		return outcome{again: true}
	}
	return outcome{err: err}
}

// take adds a request's new events to the batch.
func (b *plan) take(p *pending, places []core.Position, now time.Time) {
	if p.recorded.IsZero() {
		p.recorded = now
	}
	if places == nil {
		places = p.places
	}
	begin := len(b.events)
	for i := range p.events {
		if places != nil && places[i] != 0 {
			continue
		}
		if p.given {
			b.remember(p.events[i].ID)
		}
		b.events = append(b.events, p.events[i])
		e := &b.events[len(b.events)-1]
		e.Recorded, e.More = p.recorded, !p.imported
	}
	if end := len(b.events); end > begin {
		b.events[end-1].More = false
	}
	first := b.after.Position + 1 + core.Position(begin)
	head := b.after.Position + core.Position(len(b.events))
	b.parts = append(b.parts, part{pending: p, result: p.answer(b.topic, places, first, head)})
}

func (b *plan) remember(id string) {
	if b.ids == nil {
		b.ids = map[string]int{}
	}
	b.ids[id] = len(b.events)
}

// waiting are the requests that were not decided while planning.
func (b *plan) waiting(batch []*pending) []*pending {
	batch = batch[:0]
	for _, part := range b.parts {
		batch = append(batch, part.pending)
	}
	return batch
}

// answer tells each request what it gets now that the batch is stored.
func (b *plan) answer() {
	for _, part := range b.parts {
		part.done <- outcome{result: part.result, err: part.err}
	}
}

// fail tells each request the same.
func (b *plan) fail(out outcome) {
	for _, part := range b.parts {
		part.done <- out
	}
}
