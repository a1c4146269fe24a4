package commands

import (
	"context"
	"time"

	"eventstore/core"
)

// An Observer is told how publishes and appends go, for traces and figures. It is called on the way of every publish:
// its methods must be quick, and must not publish.
type Observer interface {
	// Begin is told of a request, before it is looked at. The mark that it returns comes back in End and with the appends
	// that carry the request.
	Begin(ctx context.Context, topic string, events int) (mark any)
	// End is told what came of a request.
	End(mark any, result Result, err error)
	// Append is told of an append before it is made, with the context that is returned. ended is told what came of it,
	// before anybody else is.
	Append(ctx context.Context, batch Batch) (_ context.Context, ended func(error))
}

// Batch is what one append stores, behind After.
type Batch struct {
	Topic   string
	After   core.Position
	Events  int
	Carried []Carried // in the order of their events; not to be kept
}

// Carried is a request that an append carries.
type Carried struct {
	Mark   any
	Events int           // that are new
	Waited time.Duration // since the request was taken on
}

// observed publishes a prepared request, and tells the observer.
func (p *Publisher) observed(ctx context.Context, name string, q *pending) (Result, error) {
	if p.config.Observer == nil {
		return p.publish(ctx, name, q)
	}
	q.mark = p.config.Observer.Begin(ctx, name, len(q.events))
	result, err := p.publish(ctx, name, q)
	p.config.Observer.End(q.mark, result, err)
	return result, err
}

// observeAppend tells the observer of an append.
func (c *committer) observeAppend(ctx context.Context, b *plan) (_ context.Context, ended func(error)) {
	config := &c.publisher.config
	if config.Observer == nil {
		return ctx, func(error) {}
	}
	batch := Batch{Topic: c.topic.Name, After: b.after.Position, Events: len(b.events), Carried: make([]Carried, 0, len(b.parts))}
	now := time.Now()
	for _, part := range b.parts {
		if part.err != nil {
			continue
		}
		carried := Carried{Mark: part.mark, Waited: config.Timeout - part.deadline.Sub(now)}
		for _, stored := range part.result.Events {
			if !stored.Duplicate {
				carried.Events++
			}
		}
		batch.Carried = append(batch.Carried, carried)
	}
	return config.Observer.Append(ctx, batch)
}
