package projections

import (
	"context"
	"fmt"
	"slices"

	"eventstore/core"
	"eventstore/core/topics"
)

// maxSkipped is how many events of one version may be skipped: more is no projection any more.
const maxSkipped = 1000

// Put defines a projection, or changes it. A changed definition is made beside what readers see, and goes live when it has come
// as far; until then the old one goes on. The definition is compiled, and tried against the topics' last events, before
// anything is kept: an [*InvalidError] says what is wrong with it.
func (p *Projections) Put(ctx context.Context, name string, d Definition) (created bool, err error) {
	if err := topics.CheckName(name); err != nil {
		return false, invalid("name", "%v", err)
	}
	if err := p.check(d); err != nil {
		return false, err
	}
	if err := p.tryDefinition(ctx, d); err != nil {
		return false, err
	}
	c, err := p.loadAny(ctx, name)
	if err != nil {
		return false, err
	}
	created = c.Deleted || c.revision == ""
	if !created && c.newest().Digest == d.digest() {
		return false, p.describe(ctx, name, d)
	}
	if !created && c.Versions[c.Live].Digest == d.digest() {
		return false, p.abandon(ctx, name, d)
	}
	_, err = p.build(ctx, name, d, func(c *control, _ *version) error {
		if c.Deleted {
			c.Deleted, c.Paused, c.Created = false, false, core.Truncate(p.config.Now())
		}
		p.setWords(c, d)
		return nil
	})
	p.nudges.add(name)
	return created, err
}

// newest is the version with the definition that was put last.
func (c *control) newest() *version {
	if c.Build != 0 {
		return c.Versions[c.Build]
	}
	return c.Versions[c.Live]
}

// setWords sets what of a definition does not change the documents.
func (p *Projections) setWords(c *control, d Definition) {
	if c.Schedule != d.Schedule {
		c.Scheduled = core.Truncate(p.config.Now())
	}
	c.Schedule, c.Description = d.Schedule, d.Description
}

func (p *Projections) describe(ctx context.Context, name string, d Definition) error {
	_, err := p.update(ctx, name, func(c *control) error {
		p.setWords(c, d)
		return c.existing()
	})
	return err
}

// abandon goes back to the definition that is live: what was built of another is given up.
func (p *Projections) abandon(ctx context.Context, name string, d Definition) error {
	_, err := p.update(ctx, name, func(c *control) error {
		if c.Live == 0 || c.Versions[c.Live].Digest != d.digest() {
			return fmt.Errorf("%w: projection %q was changed", core.ErrTooBusy, name)
		}
		c.discard(c.Build, core.Truncate(p.config.Now()))
		c.Build = 0
		p.setWords(c, d)
		return c.existing()
	})
	return err
}

// Delete removes a projection and, in time, its documents. A projection that is put again under the name begins anew.
func (p *Projections) Delete(ctx context.Context, name string) error {
	now := core.Truncate(p.config.Now())
	_, err := p.update(ctx, name, func(c *control) error {
		if err := c.existing(); err != nil {
			return err
		}
		for _, number := range []int{c.Live, c.Previous, c.Build} {
			c.discard(number, now)
		}
		c.Live, c.Previous, c.Build, c.Deleted = 0, 0, 0, true
		c.Schedule, c.Description = "", ""
		return nil
	})
	p.changed(name)
	return err
}

// Pause stops a projection and its rebuild; readers see what there is.
func (p *Projections) Pause(ctx context.Context, name string) error {
	_, err := p.update(ctx, name, func(c *control) error {
		c.Paused = true
		return c.existing()
	})
	return err
}

// Resume lets a paused projection go on, and a failed one try again at once.
func (p *Projections) Resume(ctx context.Context, name string) error {
	_, err := p.update(ctx, name, func(c *control) error {
		c.Paused = false
		for _, v := range c.Versions {
			if v.Failure != nil {
				v.Failure.NextAttempt = core.Truncate(p.config.Now())
			}
		}
		return c.existing()
	})
	if err == nil {
		p.nudges.add(name)
	}
	return err
}

// Skip lets a projection, or its rebuild, go on past the event that it fails at; it is recorded. An [core.InvalidError]: it does not
// fail at that event.
func (p *Projections) Skip(ctx context.Context, name, topic string, position core.Position) error {
	_, err := p.update(ctx, name, func(c *control) error {
		if err := c.existing(); err != nil {
			return err
		}
		return p.skip(c, topic, position)
	})
	if err == nil {
		p.config.Log.WarnContext(ctx, "an event is skipped", "projection", name, "topic", topic, "position", position)
		p.nudges.add(name)
	}
	return err
}

func (p *Projections) skip(c *control, topic string, position core.Position) error {
	found := false
	for _, number := range []int{c.Live, c.Build} {
		v := c.Versions[number]
		if v == nil {
			continue
		}
		if slices.ContainsFunc(v.Skipped, func(s Skipped) bool { return s.Topic == topic && s.Position == position }) {
			found = true // before: a repeated request
			continue
		}
		if v.Failure == nil || !v.Failure.Event || v.Failure.Topic != topic || v.Failure.Position != position {
			continue
		}
		if len(v.Skipped) == maxSkipped {
			return core.Invalid("position", "%d events are skipped already; change the projection's definition instead", maxSkipped)
		}
		v.Skipped = append(v.Skipped, Skipped{topic, position, v.Failure.Message, core.Truncate(p.config.Now())})
		v.Failure, found = nil, true
	}
	if !found {
		return core.Invalid("position", "the projection does not fail at position %d of the topic %q; only the event in lastError can be skipped", position, topic)
	}
	return nil
}
