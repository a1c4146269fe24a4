package queries

import (
	"context"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Page reads one page. Where it has no event, and q.Wait is set, it waits for a first one that
// matches, and then looks only at what it had not looked at.
func (r *Reader) Page(ctx context.Context, topic string, q PageQuery) (Page, error) {
	if err := check(&q); err != nil {
		return Page{}, err
	}
	t, err := r.registry.Open(ctx, topic)
	if err != nil {
		return Page{}, err
	}
	until := time.Now().Add(q.Wait)
	for {
		changed := t.Changed()
		page, head, err := r.page(ctx, t, q.Query)
		if err != nil || len(page.Events) > 0 || q.over(head) || q.Wait == 0 {
			return page, err
		}
		if !r.await(ctx, t, changed, head.Position, time.Until(until)) {
			return page, ctx.Err()
		}
		if !q.Backward {
			q.From = page.Next
		}
		if t, err = r.registry.Open(ctx, topic); err != nil {
			return Page{}, err
		}
	}
}

// over reports whether nothing that is appended behind head can match any more.
func (q *PageQuery) over(head core.Head) bool {
	return !q.Until.IsZero() && !head.Recorded.IsZero() && !head.Recorded.Before(q.Until) ||
		q.To > 0 && !q.Backward && head.Position >= q.To ||
		q.Backward && q.From > 0 && head.Position >= q.From
}

// page reads a page as it is now.
func (r *Reader) page(ctx context.Context, t *topics.Topic, q core.Query) (Page, core.Head, error) {
	head, err := headOf(ctx, t)
	if err != nil {
		return Page{}, head, err
	}
	page := Page{Head: head.Position, Events: []core.Event{}}
	bounded, ok := within(q, head.Position)
	full := false
	if ok {
		if page.Events, full, err = r.fill(ctx, t, bounded); err != nil {
			return Page{}, head, err
		}
	}
	page.Next, page.More = next(q, bounded, page.Events, full)
	return page, head, nil
}

// fill reads a page's events. full is whether it ended at a limit rather than for want of events.
func (r *Reader) fill(ctx context.Context, t *topics.Topic, q core.Query) (found []core.Event, full bool, err error) {
	found = []core.Event{}
	size := 0
	for e, err := range events(ctx, t, q) {
		if err != nil {
			return nil, false, err
		}
		size += len(e.Line())
		if len(found) > 0 && size > r.config.PageBytes {
			return found, true, nil
		}
		found = append(found, e)
	}
	return found, q.Limit > 0 && len(found) == q.Limit, nil
}

// within bounds a query to what lies between the beginning and the head, so that it is known
// what was looked at. ok is false when that is nothing.
func within(q core.Query, head core.Position) (bounded core.Query, ok bool) {
	if q.Backward {
		if q.From == 0 || q.From > head {
			q.From = head
		}
		q.To = max(q.To, 1)
		return q, q.From >= q.To
	}
	q.From = max(q.From, 1)
	if q.To == 0 || q.To > head {
		q.To = head
	}
	return q, q.From <= q.To
}

// next is where the following page begins, and whether there is something to look at by now.
// q is the query as it was asked, bounded as it was looked at.
func next(q, bounded core.Query, found []core.Event, full bool) (from core.Position, more bool) {
	if q.Backward {
		if !full || found[len(found)-1].Position <= bounded.To {
			return 0, false
		}
		return found[len(found)-1].Position - 1, true
	}
	if full {
		last := found[len(found)-1].Position
		return last + 1, last < bounded.To
	}
	return max(bounded.From, bounded.To+1), false
}
