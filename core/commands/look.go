package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"eventstore/core"
)

// look checks a request against the stored events, as far as the head is known, in its
// caller's goroutine, so that what must be read holds nobody else up. What rests on stored
// events alone is answered. No check goes beyond where ids were looked up, so that a request is
// never refused for what it itself stored.
//
// Ids come before conditions: where a condition would refuse a request that gave ids, another instance
// may have stored them by now, so it is looked at once more with all that is stored.
func (c *committer) look(ctx context.Context, p *pending) (result Result, answered bool, err error) {
	if err := c.load(ctx); err != nil {
		return Result{}, false, err
	}
	result, answered, err = c.lookOnce(ctx, p)
	var refused *ConditionError
	if !errors.As(err, &refused) || !p.given {
		return result, answered, err
	}
	if behind, lagErr := c.behind(ctx, refused.Head); lagErr != nil || !behind {
		return Result{}, false, cmp.Or(lagErr, err)
	}
	if err := c.catchUp(ctx); err != nil {
		return Result{}, false, err
	}
	return c.lookOnce(ctx, p)
}

// behind reports whether the log's head is another than the one that was looked at.
func (c *committer) behind(ctx context.Context, head core.Position) (bool, error) {
	now, err := c.log.Head(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the head of topic %q: %w", c.topic.Name, err)
	}
	return now.Position != head, nil
}

func (c *committer) lookOnce(ctx context.Context, p *pending) (result Result, answered bool, err error) {
	head, err := c.headFor(ctx, p)
	if err != nil {
		return Result{}, false, err
	}
	if p.given {
		if err := c.lookForIDs(ctx, p); err != nil {
			return Result{}, false, err
		}
	}
	if p.places != nil && p.fresh(p.places) == 0 {
		return p.answer(c.topic.Name, p.places, 0, max(head, slices.Max(p.places))), true, nil
	}
	if want := p.condition.Head; want != nil && *want != head {
		return Result{}, false, &ConditionError{Head: head}
	}
	if err := c.lookForMatches(ctx, p, head); err != nil {
		return Result{}, false, err
	}
	p.checked = head
	return Result{}, false, nil
}

// lookForIDs places those events whose ids are stored already.
func (c *committer) lookForIDs(ctx context.Context, p *pending) error {
	found, err := c.find(ctx, p)
	if err != nil || len(found) == 0 {
		return err
	}
	stored, err := c.eventsAt(ctx, found)
	if err != nil {
		return fmt.Errorf("comparing events of topic %q: %w", c.topic.Name, err)
	}
	for i := range p.events {
		e := &p.events[i]
		first, ok := stored[e.ID]
		if !ok || p.places != nil && p.places[i] != 0 {
			continue
		}
		if !e.SameContent(&first) {
			return &IDConflictError{ID: e.ID, Position: first.Position, Index: i}
		}
		p.place(i, first.Position)
	}
	return nil
}

// find looks up the ids of a request that are not placed.
func (c *committer) find(ctx context.Context, p *pending) (map[string]core.Position, error) {
	found, ids := map[string]core.Position{}, []string(nil)
	c.mu.RLock()
	for i := range p.events {
		if p.places != nil && p.places[i] != 0 {
			continue
		}
		id := p.events[i].ID
		if at, ok := c.window.ids[id]; ok {
			found[id] = at
		} else {
			ids = append(ids, id)
		}
	}
	complete := c.window.complete()
	c.mu.RUnlock()
	if complete || len(ids) == 0 {
		return found, nil
	}
	older, err := c.finder.find(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for ids in topic %q: %w", c.topic.Name, err)
	}
	for _, id := range ids {
		if at, ok := older[id]; ok {
			found[id] = at
		}
	}
	return found, nil
}

// nearby is how far apart two positions may be to be read in one go.
const nearby = 16

// eventsAt reads the events at some ids' positions, by id.
func (c *committer) eventsAt(ctx context.Context, found map[string]core.Position) (map[string]core.Event, error) {
	positions := make([]core.Position, 0, len(found))
	for _, at := range found {
		positions = append(positions, at)
	}
	slices.Sort(positions)
	events := make(map[string]core.Event, len(found))
	for len(positions) > 0 {
		n := 1
		for n < len(positions) && positions[n]-positions[n-1] <= nearby {
			n++
		}
		for e, err := range c.log.Read(ctx, core.Query{From: positions[0], To: positions[n-1]}) {
			if err != nil {
				return nil, err
			}
			if at, ok := found[e.ID]; ok && at == e.Position {
				events[e.ID] = e
			}
		}
		positions = positions[n:]
	}
	for id, at := range found {
		if _, ok := events[id]; !ok {
			return nil, &core.CorruptError{Place: fmt.Sprintf("topic %q", c.topic.Name), Position: at, Reason: fmt.Sprintf("no event with the id %q is there", id)}
		}
	}
	return events, nil
}

// headFor is the head as far as the request's checks go. The window may be behind the log, so a
// request that wants a later head has it brought up to date first.
func (c *committer) headFor(ctx context.Context, p *pending) (core.Position, error) {
	head := c.head()
	if want := p.condition.Head; want == nil || *want <= head {
		return head, nil
	}
	if err := c.catchUp(ctx); err != nil {
		return 0, err
	}
	return c.head(), nil
}

func (c *committer) head() core.Position {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.window.head.Position
}

// lookForMatches refuses a request whose condition an event up to head breaks: in memory
// where it is remembered, else in the log.
func (c *committer) lookForMatches(ctx context.Context, p *pending, head core.Position) error {
	items, after := p.condition.FailIfMatch, max(p.condition.After, p.checked)
	if len(items) == 0 || after >= head {
		return nil
	}
	c.mu.RLock()
	at, first := c.window.match(items, after, head), c.window.first
	c.mu.RUnlock()
	if at == 0 && after+1 < first {
		var err error
		if at, err = c.firstMatch(ctx, items, after+1, min(first-1, head)); err != nil {
			return fmt.Errorf("checking a condition in topic %q: %w", c.topic.Name, err)
		}
	}
	if at > 0 {
		return &ConditionError{Head: head, Position: at}
	}
	return nil
}

// firstMatch finds the first stored event in a range that matches any of the items; 0 where
// none does.
func (c *committer) firstMatch(ctx context.Context, items []core.Item, from, to core.Position) (core.Position, error) {
	for e, err := range c.log.Read(ctx, core.Query{From: from, To: to, Filter: items, Limit: 1}) {
		return e.Position, err
	}
	return 0, nil
}
