package queries

import (
	"context"
	"fmt"
	"iter"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Stream reads a query's events, up to the head when it was called, which comes with them. Where
// there is none, and q.Wait is set, it waits for a first one before it returns.
func (r *Reader) Stream(ctx context.Context, topic string, q PageQuery) (core.Position, iter.Seq2[core.Event, error], error) {
	t, head, bounded, err := r.bounded(ctx, topic, q)
	if err != nil || t == nil {
		return head, func(func(core.Event, error) bool) {}, err
	}
	return head, events(ctx, t, bounded), nil
}

// StreamLines is Stream with the events as lines, each with a newline behind it: what an answer of
// NDJSON has, in pieces of whole lines. A piece is good until the next is asked for.
func (r *Reader) StreamLines(ctx context.Context, topic string, q PageQuery) (core.Position, iter.Seq2[[]byte, error], error) {
	t, head, bounded, err := r.bounded(ctx, topic, q)
	if err != nil || t == nil {
		return head, func(func([]byte, error) bool) {}, err
	}
	return head, lines(ctx, t, bounded), nil
}

// bounded is the topic that a stream reads, its head, and what of it is to be read; no topic where there is
// nothing. It waits for a first event where the query says so.
func (r *Reader) bounded(ctx context.Context, topic string, q PageQuery) (t *topics.Topic, head core.Position, bounded core.Query, err error) {
	if err := check(&q); err != nil {
		return nil, 0, bounded, err
	}
	if q.Wait > 0 {
		first := q
		first.Limit = 1
		page, err := r.Page(ctx, topic, first)
		if err != nil || len(page.Events) == 0 {
			return nil, page.Head, bounded, err
		}
	}
	t, err = r.registry.Open(ctx, topic)
	if err != nil {
		return nil, 0, bounded, err
	}
	end, err := headOf(ctx, t)
	if err != nil {
		return nil, 0, bounded, err
	}
	bounded, ok := within(q.Query, end.Position)
	if !ok {
		t = nil
	}
	return t, end.Position, bounded, nil
}

// lookAgain is how often Follow, while nothing happens, asks whether the topic is still there.
const lookAgain = 5 * time.Second

// Follow reads a topic forward from q.From, and goes on with what is appended, without a gap and
// without repeating any, until ctx ends (which is no error), q.Limit events were read, or q.To
// or q.Until is reached. The head when it was called comes first. It goes on where the topic
// moves to another storage, and ends with an error where the topic is deleted or its log is no
// longer the one that it began with.
func (r *Reader) Follow(ctx context.Context, topic string, q core.Query) (core.Position, iter.Seq2[core.Event, error], error) {
	pq := PageQuery{Query: q}
	if err := check(&pq); err != nil {
		return 0, nil, err
	}
	if q.Backward {
		return 0, nil, core.Invalid("direction", "a live stream is forward")
	}
	head, err := r.Head(ctx, topic)
	if err != nil {
		return 0, nil, err
	}
	return head.Position, func(yield func(core.Event, error) bool) {
		f := follower{reader: r, topic: topic, query: q, seen: head.Position, left: q.Limit}
		f.query.From = max(q.From, 1)
		if err := f.run(ctx, yield); err != nil && ctx.Err() == nil {
			yield(core.Event{}, err)
		}
	}, nil
}

// follower is one Follow under way.
type follower struct {
	reader *Reader
	topic  string
	query  core.Query    // From is the next position to look at
	seen   core.Position // the highest head that was seen
	left   int           // how many events to yield yet, where there is a limit
}

// run yields until it is told to stop, which is no error.
func (f *follower) run(ctx context.Context, yield func(core.Event, error) bool) error {
	for ctx.Err() == nil {
		t, err := f.reader.registry.Open(ctx, f.topic)
		if err != nil {
			return err
		}
		changed := t.Changed()
		head, err := headOf(ctx, t)
		if err != nil {
			return err
		}
		if head.Position < f.seen {
			return fmt.Errorf("topic %q: %w: it ends at %d, and position %d was there before", f.topic, core.ErrForeign, head.Position, f.seen)
		}
		f.seen = head.Position
		if on, err := f.read(ctx, t, head.Position, yield); err != nil || !on {
			return err
		}
		if pq := (PageQuery{Query: f.query}); pq.over(head) {
			return nil
		}
		f.reader.await(ctx, t, changed, head.Position, lookAgain)
	}
	return nil
}

// read yields what there is up to head, and reports whether to go on.
func (f *follower) read(ctx context.Context, t *topics.Topic, head core.Position, yield func(core.Event, error) bool) (on bool, err error) {
	bounded, ok := within(f.query, head)
	if !ok {
		return true, nil
	}
	bounded.Limit = f.left
	for e, err := range events(ctx, t, bounded) {
		if err != nil {
			return false, err
		}
		f.query.From = e.Position + 1
		if !yield(e, nil) {
			return false, nil
		}
		if f.left--; f.left == 0 {
			return false, nil
		}
	}
	f.query.From = bounded.To + 1
	return true, nil
}
