package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Rebuild begins to make a projection's documents anew, from position 1, beside those that readers see, and tells the number
// of the version that is made. One that is under way goes on. The replay timer, or Replay, does the work.
func (p *Projections) Rebuild(ctx context.Context, name string) (number int, err error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return 0, err
	}
	if c.Build != 0 {
		return c.Build, nil
	}
	d, err := p.definition(ctx, name, c.Live)
	if err != nil {
		return 0, err
	}
	skipped := c.Versions[c.Live].Skipped
	return p.build(ctx, name, d, func(c *control, v *version) error {
		if err := c.existing(); err != nil {
			return err
		}
		v.Skipped = skipped
		return nil
	})
}

// build makes a new version with a definition: beside the live one, or as the live one where there is none. accept is asked in
// the write that decides, with the new version.
func (p *Projections) build(ctx context.Context, name string, d Definition, accept func(*control, *version) error) (number int, err error) {
	number, err = p.number(ctx, name)
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return 0, fmt.Errorf("encoding a definition: %w", err)
	}
	if _, err := p.config.Documents.Write(ctx, core.Write{Collection: definitions, Key: definitionKey(name, number), Value: text}); err != nil {
		return 0, fmt.Errorf("writing the definition of version %d of %q: %w", number, name, err)
	}
	now := core.Truncate(p.config.Now())
	_, err = p.update(ctx, name, func(c *control) error {
		v := &version{Digest: d.digest(), Topics: d.Topics, Started: now}
		if err := accept(c, v); err != nil {
			return err
		}
		c.keep(number)
		c.Versions[number] = v
		if c.Live == 0 {
			c.Live = number
			return nil
		}
		c.discard(c.Build, now)
		c.Build = number
		return nil
	})
	if err == nil {
		p.changed(name)
	}
	return number, err
}

// number takes the next version number. Until the version is kept, it is garbage.
func (p *Projections) number(ctx context.Context, name string) (number int, err error) {
	now := core.Truncate(p.config.Now())
	_, err = p.update(ctx, name, func(c *control) error {
		if c.revision == "" {
			c.Deleted, c.Created = true, now // until the first version is there
		}
		number = c.Next
		c.Next++
		c.discard(number, now)
		return nil
	})
	return number, err
}

// slice does a slice of a rebuild's work: folds, verifies or goes live. done: there is nothing to do now.
func (p *Projections) slice(ctx context.Context, name string, number int) (done bool, err error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return false, err
	}
	v := c.Versions[number]
	if c.Build != number || v == nil {
		return true, nil
	}
	if v.Check != nil && !c.Paused {
		return p.verify(ctx, name, number, v)
	}
	o, err := p.step(ctx, name, number, p.sliceBounds())
	switch {
	case err != nil || o.paused || o.failed != nil:
		return true, err
	case o.more:
		return false, nil
	case v.Counted == nil:
		return false, p.beginCheck(ctx, name, number, o.at)
	}
	return p.goLive(ctx, name, number)
}

func (p *Projections) beginCheck(ctx context.Context, name string, number int, at Checkpoint) error {
	return p.saveCheck(ctx, name, number, &version{Checkpoint: at}, &check{}, nil)
}

// goLive makes a verified rebuild the live version, if it is not behind the one that is.
func (p *Projections) goLive(ctx context.Context, name string, number int) (done bool, err error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return false, err
	}
	// While this process holds the live version still, the new one can't fall behind by its doing.
	_, release, err := p.runner(ctx, name, c.Live)
	if err == nil {
		defer release()
	}
	last := p.sliceBounds()
	last.hurry = true // readers who ask for the live version's last events wait for it
	if o, err := p.step(ctx, name, number, last); err != nil || o.paused || o.failed != nil {
		return true, err
	}
	err = p.promote(ctx, name, number)
	if errors.Is(err, errBehind) {
		return false, nil
	}
	return err == nil, err
}

// errBehind: the new version has not come as far as the live one.
var errBehind = errors.New("the new version is behind the live one")

// promote is the switch: one conditional write.
func (p *Projections) promote(ctx context.Context, name string, number int) error {
	now := core.Truncate(p.config.Now())
	_, err := p.update(ctx, name, func(c *control) error {
		built, live := c.Versions[number], c.Versions[c.Live]
		if c.Live == number {
			return nil // it was, and the answer was lost
		}
		if c.Build != number || built.Counted == nil {
			return fmt.Errorf("%w: version %d of %q is no longer built", errStale, number, name)
		}
		if behind(built, live) {
			return errBehind
		}
		c.discard(c.Previous, now)
		c.Previous, c.Live, c.Build = c.Live, number, 0
		return nil
	})
	if err == nil {
		p.config.Log.InfoContext(ctx, "a rebuild went live", "projection", name, "version", number)
		p.changed(name)
	}
	return err
}

// behind tells whether a version lacks events that another has, in a topic that both read. What was folded from a log that is no
// longer there does not count.
func behind(built, live *version) bool {
	for _, topic := range built.Topics {
		if foreign := live.Failure != nil && live.Failure.Foreign && live.Failure.Topic == topic; foreign {
			continue
		}
		if built.Checkpoint[topic].Position < live.Checkpoint[topic].Position {
			return true
		}
	}
	return false
}

// Rollback makes the version before the last switch the live one again, at once; it then catches up. The one that was live
// is kept, so that this can be undone the same way. An [core.InvalidError]: to is not that version.
func (p *Projections) Rollback(ctx context.Context, name string, to int) error {
	_, err := p.update(ctx, name, func(c *control) error {
		if err := c.existing(); err != nil {
			return err
		}
		switch {
		case c.Previous == 0:
			return core.Invalid("to", "there is no version before %d to go back to", c.Live)
		case to != c.Previous:
			return core.Invalid("to", "%d is not the version before the last switch, which is %d", to, c.Previous)
		}
		c.Previous, c.Live = c.Live, c.Previous
		c.Versions[c.Live].Check = nil
		return nil
	})
	if err == nil {
		p.config.Log.InfoContext(ctx, "rolled back", "projection", name, "version", to)
		p.changed(name)
		p.nudges.add(name)
	}
	return err
}

// Progress is how far a rebuild has come.
type Progress struct {
	Version         int
	Done            bool // it is live
	Verifying       bool
	Progress        float64 // 0 to 1
	EventsPerSecond float64
	ETA             time.Time // zero where it is not known
}

// Replay rebuilds a projection to its end in this process: it begins a rebuild, or goes on with one, and returns when it is live. told
// is called after each slice. An event that can't be folded ends it, as does ctx; what was done is kept.
func (p *Projections) Replay(ctx context.Context, name string, told func(Progress)) error {
	number, err := p.Rebuild(ctx, name)
	if err != nil {
		return err
	}
	for {
		var done bool
		ok, err := p.withLease(ctx, name, number, func() (err error) {
			done, err = p.slice(ctx, name, number)
			return err
		})
		overtaken := errors.Is(err, errStale)
		if err != nil && !overtaken {
			return err
		}
		progress, err := p.progress(ctx, name, number)
		if err != nil {
			return err
		}
		if told(progress); progress.Done {
			return nil
		}
		if !ok || done || overtaken {
			if err := p.rest(ctx); err != nil {
				return err
			}
		}
	}
}

// rest waits a moment for what others do.
func (p *Projections) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}

// progress tells how far a rebuild is, or why it can't go on.
func (p *Projections) progress(ctx context.Context, name string, number int) (Progress, error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return Progress{}, err
	}
	v := c.Versions[number]
	switch {
	case c.Live == number || c.Previous == number:
		return Progress{Version: number, Done: true, Progress: 1}, nil
	case v == nil:
		return Progress{}, fmt.Errorf("version %d of %q was given up for another", number, name)
	case c.Paused:
		return Progress{}, fmt.Errorf("the projection %q is paused", name)
	case v.Failure != nil && v.Failure.Attempts > 2:
		return Progress{}, fmt.Errorf("version %d of %q: %s (topic %q, position %d)", number, name, v.Failure.Message, v.Failure.Topic, v.Failure.Position)
	}
	for _, topic := range v.Topics {
		if _, err := p.config.Topics.Open(ctx, topic); errors.Is(err, topics.ErrTopicNotFound) {
			return Progress{}, fmt.Errorf("the topic %q that projection %q reads is not registered", topic, name)
		}
	}
	status := p.rebuildStatus(ctx, c)
	return Progress{Version: number, Verifying: v.Check != nil, Progress: status.Progress, EventsPerSecond: status.EventsPerSecond, ETA: status.eta}, nil
}
