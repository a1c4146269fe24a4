package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// New makes a publisher to the topics of a registry.
func New(registry *topics.Registry, config Config) *Publisher {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.Timeout = orDefault(config.Timeout, 30*time.Second)
	config.AppendTimeout = orDefault(config.AppendTimeout, 10*time.Second)
	config.Backoff = orDefault(config.Backoff, 50*time.Millisecond)
	config.Waiting = orDefault(config.Waiting, 5000)
	config.WaitingBytes = orDefault(config.WaitingBytes, 64<<20)
	config.Window = orDefault(config.Window, 10_000)
	return &Publisher{registry: registry, config: config, committers: map[string]*committer{}}
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// retryAfter is what an [OutcomeError] advises.
const retryAfter = time.Second

// Publish appends a request's events at consecutive positions, or none of them, and returns
// when they are durable. An event whose id the topic has already, with the same type,
// source, subject and data, is not stored again but answered with its position; a request
// of such events alone is answered even if its condition does not hold any more. Data and Metadata
// are taken for compact, valid JSON.
//
// Errors: [core.InvalidError], [core.TooLargeError], [ConditionError], [IDConflictError],
// topics.ErrTopicNotFound and core.ErrRejected say that nothing was stored; so does an
// [OutcomeError], unless it says that this is not known. When ctx ends, or the publisher's timeout,
// the answer is an OutcomeError too: events that were about to be appended may still be.
func (p *Publisher) Publish(ctx context.Context, topic string, request Request) (Result, error) {
	q, err := p.prepare(topic, request)
	if err != nil {
		return Result{}, err
	}
	return p.observed(ctx, topic, q)
}

// publish sees a prepared request through: looked at, queued, and looked at again where the
// log went on too far meanwhile or moved elsewhere.
func (p *Publisher) publish(ctx context.Context, name string, q *pending) (Result, error) {
	var seen *topics.Topic
	topic, err := p.registry.Open(ctx, name)
	for err == nil {
		if seen != nil && topic != seen { // what was looked up holds for the log that it was looked up in
			q.reset()
		}
		seen = topic
		out := p.attempt(ctx, topic, q)
		switch {
		case out.closed:
			topic, err = p.moved(ctx, topic, q.deadline)
		case out.again:
			topic, err = p.registry.Open(ctx, name)
		default:
			return out.result, notStored(out.err)
		}
	}
	return Result{}, notStored(err)
}

// attempt looks at a request, and queues it where that does not decide it.
func (p *Publisher) attempt(ctx context.Context, topic *topics.Topic, q *pending) outcome {
	if err := ctx.Err(); err != nil {
		return outcome{err: err}
	}
	c := p.committer(topic)
	if q.checks() {
		ctx, cancel := context.WithDeadline(ctx, q.deadline)
		result, answered, err := c.look(ctx, q)
		cancel()
		if answered || err != nil {
			return outcome{result: result, err: err}
		}
	}
	return c.commitAndWait(ctx, q)
}

// notStored tells of a storage's error that nothing was stored. Answers stay as they are.
func notStored(err error) error {
	if err == nil {
		return nil
	}
	var condition *ConditionError
	var conflict *IDConflictError
	var known *OutcomeError
	switch {
	case errors.As(err, &condition), errors.As(err, &conflict), errors.As(err, &known),
		errors.Is(err, topics.ErrTopicNotFound), errors.Is(err, core.ErrRejected):
		return err
	}
	return &OutcomeError{RetryAfter: retryAfter, Err: err}
}

// moved waits until a topic whose log was closed is registered with the storage it moved to.
func (p *Publisher) moved(ctx context.Context, closed *topics.Topic, deadline time.Time) (*topics.Topic, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for {
		topic, err := p.registry.Reload(ctx, closed)
		if !errors.Is(err, core.ErrClosed) {
			return topic, err
		}
		if sleep(ctx, jitter(200*time.Millisecond)) != nil {
			return nil, fmt.Errorf("%w: it is being moved", err)
		}
	}
}

// jitter is between half of d and d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxCommitters is how many topics' recent events are kept when nobody publishes to them.
const maxCommitters = 64

// committer is the one that appends to a topic in this process.
func (p *Publisher) committer(topic *topics.Topic) *committer {
	p.mu.RLock()
	c := p.committers[topic.Name]
	p.mu.RUnlock()
	if c != nil && c.topic == topic {
		return c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.committers[topic.Name]; c != nil && c.topic == topic {
		return c
	}
	p.trim()
	c = newCommitter(p, topic)
	p.committers[topic.Name] = c
	return c
}

// trim drops idle committers where there are too many. Dropping one that somebody is
// about to use is harmless: two are as two instances.
func (p *Publisher) trim() {
	for name, c := range p.committers {
		if len(p.committers) < maxCommitters {
			return
		}
		if c.idle() {
			delete(p.committers, name)
		}
	}
}

// start runs a committer, unless the publisher is closed.
func (p *Publisher) start(c *committer) bool {
	p.life.RLock()
	defer p.life.RUnlock()
	if !p.closed {
		p.running.Go(c.run)
	}
	return !p.closed
}

// Close waits for what is being appended or waits for it. Publishing afterwards is
// refused with core.ErrUnavailable.
func (p *Publisher) Close() {
	p.life.Lock()
	p.closed = true
	p.life.Unlock()
	p.running.Wait()
}
