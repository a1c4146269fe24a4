package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventstore/core"
)

// index is which projections read a topic, as far as this process knows. It only decides whom a nudge wakes.
type index struct {
	mu      sync.Mutex
	byTopic map[string][]string
	read    time.Time
}

// indexAge is how old the index may be when a nudge uses it.
const indexAge = 10 * time.Second

// changed makes the index be read anew.
func (p *Projections) changed(string) {
	p.index.mu.Lock()
	defer p.index.mu.Unlock()
	p.index.byTopic = nil
}

// readers are the projections that read a topic.
func (p *Projections) readers(ctx context.Context, topic string) ([]string, error) {
	p.index.mu.Lock()
	defer p.index.mu.Unlock()
	if p.index.byTopic != nil && time.Since(p.index.read) < indexAge {
		return p.index.byTopic[topic], nil
	}
	byTopic := map[string][]string{}
	for c, err := range p.all(ctx) {
		if err != nil {
			return nil, err
		}
		for _, t := range c.Versions[c.Live].Topics {
			byTopic[t] = append(byTopic[t], c.Name)
		}
	}
	p.index.byTopic, p.index.read = byTopic, time.Now()
	return byTopic[topic], nil
}

// Nudge tells that a topic has new events. It only takes a note, for Run to follow.
func (p *Projections) Nudge(topic string, _ core.Position) { p.nudges.add("topic:" + topic) }

// Run folds what Nudge tells of, until ctx ends; then it returns when all its work has ended. The timer finds
// whatever it misses.
func (p *Projections) Run(ctx context.Context) {
	var working sync.WaitGroup
	for range p.config.Workers {
		working.Go(func() {
			for ctx.Err() == nil {
				name, filled, ok := p.nudges.take()
				if ok {
					p.follow(ctx, name)
					p.nudges.done(name)
					continue
				}
				select {
				case <-filled:
				case <-ctx.Done():
				}
			}
		})
	}
	working.Wait()
}

// follow takes one bounded step for a nudge; who has more to fold queues again behind the others.
func (p *Projections) follow(ctx context.Context, name string) {
	if topic, ok := cutTopic(name); ok {
		names, err := p.readers(ctx, topic)
		if err != nil {
			p.log(ctx, "finding a topic's projections", topic, err)
		}
		p.nudges.add(names...)
		return
	}
	more, err := p.live(ctx, name)
	if err != nil {
		p.log(ctx, "folding after a nudge", name, err)
	}
	if more && ctx.Err() == nil {
		p.nudges.add(name)
	}
}

const topicMark = "topic:"

// cutTopic tells a nudge for a topic from one for a projection, whose name has no colon.
func cutTopic(name string) (string, bool) {
	if len(name) > len(topicMark) && name[:len(topicMark)] == topicMark {
		return name[len(topicMark):], true
	}
	return "", false
}

func (p *Projections) log(ctx context.Context, doing, name string, err error) {
	if ctx.Err() == nil && !errors.Is(err, errStale) && !errors.Is(err, ErrNotFound) {
		p.config.Log.ErrorContext(ctx, "projections: "+doing, "name", name, "cause", err)
	}
}

// live takes a step with a projection's live version, and tells whether there is more to fold at once.
func (p *Projections) live(ctx context.Context, name string) (more bool, err error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return false, err
	}
	if held, _, err := p.held(ctx, definitionKey(name, c.Live)); held || err != nil {
		return false, err // whoever has it comes to the head
	}
	o, err := p.step(ctx, name, c.Live, p.liveBounds())
	if errors.Is(err, errStale) {
		return true, nil
	}
	if err != nil || !o.more {
		return false, err
	}
	// There is a lot: let the other instances leave it to this one.
	_, err = p.withLease(ctx, name, c.Live, func() error {
		for range leasedSteps {
			o, err = p.step(ctx, name, c.Live, p.liveBounds())
			if err != nil || !o.more {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errStale) {
		return true, nil
	}
	return o.more, err
}

// leasedSteps is how many steps are taken in a row before others have their turn.
const leasedSteps = 3

// Project is the timer's pass: it folds all projections up to the heads of their topics, a step of each in turn, for a bounded
// time. One that fails, or is slow, keeps the others neither from beginning nor from ending.
func (p *Projections) Project(ctx context.Context) error {
	return p.pass(ctx, "folding", func(c *control) bool { return true }, p.live)
}

// Rebuilds is the replay timer's pass: it starts the rebuilds that are due, does a slice of each in turn, for a bounded time, and
// deletes the documents of versions that nobody needs.
func (p *Projections) Rebuilds(ctx context.Context) error {
	err := p.startScheduled(ctx)
	err = errors.Join(err, p.pass(ctx, "rebuilding", func(c *control) bool { return c.Build != 0 }, p.rebuild))
	return errors.Join(err, p.collect(ctx))
}

// rebuild does a slice of a projection's rebuild, if nobody else is at it.
func (p *Projections) rebuild(ctx context.Context, name string) (more bool, err error) {
	c, err := p.load(ctx, name)
	if err != nil || c.Build == 0 {
		return false, err
	}
	done := true
	_, err = p.withLease(ctx, name, c.Build, func() error {
		done, err = p.slice(ctx, name, c.Build)
		return err
	})
	if errors.Is(err, errStale) {
		return true, nil
	}
	return !done && err == nil, err
}

// pass gives each of the projections its turn until there is nothing more to do, or time is up. Its error is of those that failed.
func (p *Projections) pass(ctx context.Context, doing string, selected func(*control) bool, turn func(context.Context, string) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.PassTime)
	defer cancel()
	names := []string{}
	for c, err := range p.all(ctx) {
		if err != nil {
			return err
		}
		if selected(c) {
			names = append(names, c.Name)
		}
	}
	var mu sync.Mutex
	var failures []error
	var working sync.WaitGroup
	next := func(finished string, more bool, err error) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		if more && ctx.Err() == nil {
			names = append(names, finished)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotFound) {
			failures = append(failures, fmt.Errorf("%s %q: %w", doing, finished, err))
		}
		if len(names) == 0 || ctx.Err() != nil {
			return "", false
		}
		name := names[0]
		names = slices.Delete(names, 0, 1)
		return name, true
	}
	for range p.config.Workers {
		working.Go(func() {
			name, ok := next("", false, nil)
			for ok {
				more, err := turn(ctx, name)
				name, ok = next(name, more, err)
			}
		})
	}
	working.Wait()
	return errors.Join(failures...)
}

// startScheduled starts the rebuilds whose time has come.
func (p *Projections) startScheduled(ctx context.Context) error {
	var failures []error
	for c, err := range p.all(ctx) {
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		if c.Schedule == "" || c.Paused {
			continue
		}
		schedule, err := p.config.ParseSchedule(c.Schedule)
		if err == nil && !p.config.Now().Before(schedule.Next(c.Scheduled)) {
			if _, err = p.Rebuild(ctx, c.Name); err == nil {
				_, err = p.update(ctx, c.Name, func(c *control) error { c.Scheduled = core.Truncate(p.config.Now()); return nil })
			}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("starting the scheduled rebuild of %q: %w", c.Name, err))
		}
	}
	return errors.Join(failures...)
}
