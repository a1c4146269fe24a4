package queries

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// New makes a reader of a registry's topics.
func New(registry *topics.Registry, config Config) *Reader {
	if config.PageBytes <= 0 {
		config.PageBytes = 16 << 20
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.VerifyFor = orDefault(config.VerifyFor, 30*time.Second)
	config.PollMin = orDefault(config.PollMin, 50*time.Millisecond)
	config.PollMax = orDefault(config.PollMax, time.Second)
	return &Reader{registry: registry, config: config, watchers: map[*topics.Topic]*watcher{}}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Head reports where a topic ends.
func (r *Reader) Head(ctx context.Context, topic string) (core.Head, error) {
	t, err := r.registry.Open(ctx, topic)
	if err != nil {
		return core.Head{}, err
	}
	return headOf(ctx, t)
}

func headOf(ctx context.Context, t *topics.Topic) (core.Head, error) {
	head, err := t.Log.Head(ctx)
	if err != nil {
		return core.Head{}, fmt.Errorf("reading the head of topic %q: %w", t.Name, err)
	}
	return head, nil
}

// Event reads the event at a position. ErrEventNotFound: there is none.
func (r *Reader) Event(ctx context.Context, topic string, position core.Position) (core.Event, error) {
	t, err := r.registry.Open(ctx, topic)
	if err != nil {
		return core.Event{}, err
	}
	e, found, err := eventAt(ctx, t, position)
	if err == nil && !found {
		err = fmt.Errorf("%w: topic %q has none at position %d", ErrEventNotFound, topic, position)
	}
	return e, err
}

func eventAt(ctx context.Context, t *topics.Topic, position core.Position) (e core.Event, found bool, err error) {
	if position < 1 {
		return core.Event{}, false, nil
	}
	for e, err := range t.Log.Read(ctx, core.Query{From: position, To: position}) {
		if err != nil {
			return core.Event{}, false, fmt.Errorf("reading position %d of topic %q: %w", position, t.Name, err)
		}
		return e, true, nil
	}
	return core.Event{}, false, nil
}

// Summary says what a topic holds.
func (r *Reader) Summary(ctx context.Context, topic string) (Summary, error) {
	t, err := r.registry.Open(ctx, topic)
	if err != nil {
		return Summary{}, err
	}
	head, err := headOf(ctx, t)
	if err != nil || head.Position == 0 {
		return Summary{}, err
	}
	first, _, err := eventAt(ctx, t, 1)
	return Summary{Head: head.Position, Events: int64(head.Position), FirstRecorded: first.Recorded, LastRecorded: head.Recorded}, err
}

// check refuses a query that makes no sense.
func check(q *PageQuery) error {
	switch {
	case q.From < 0:
		return core.Invalid("from", "%d is not a position; they begin at 1", q.From)
	case q.To < 0:
		return core.Invalid("to", "%d is not a position; they begin at 1", q.To)
	case q.Limit < 0:
		return core.Invalid("limit", "%d is below 0", q.Limit)
	case q.Wait < 0 || q.Wait > MaxWait:
		return core.Invalid("wait", "%v is not between 0 and %v", q.Wait, MaxWait)
	}
	return nil
}

// events reads a query's events, with the topic's name in an error.
func events(ctx context.Context, t *topics.Topic, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for e, err := range t.Log.Read(ctx, q) {
			if err != nil {
				err = fmt.Errorf("reading topic %q: %w", t.Name, err)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
