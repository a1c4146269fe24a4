package projections

import (
	"context"
	"fmt"
	"time"

	"eventstore/core"
)

// Health tells of every projection whether it needs someone: "" where it does not, else why.
func (p *Projections) Health(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	for c, err := range p.all(ctx) {
		if err != nil {
			return found, err
		}
		found[c.Name] = p.trouble(ctx, c)
	}
	return found, nil
}

func (p *Projections) trouble(ctx context.Context, c *control) string {
	if c.Paused {
		return ""
	}
	for _, number := range []int{c.Live, c.Build} {
		if v := c.Versions[number]; v != nil && v.Failure != nil {
			return failedAt(number, v.Failure)
		}
	}
	return p.stalled(ctx, c)
}

func failedAt(number int, f *Failure) string {
	if f.Topic == "" {
		return fmt.Sprintf("version %d: %s", number, f.Message)
	}
	return fmt.Sprintf("version %d fails at position %d of the topic %q: %s", number, f.Position, f.Topic, f.Message)
}

// stalled tells of a projection that has something to fold, and folds nothing.
func (p *Projections) stalled(ctx context.Context, c *control) string {
	v := c.Versions[c.Live]
	quiet := p.config.Now().Sub(later(v.Progress, v.Started))
	if quiet < p.config.Stalled {
		return ""
	}
	for _, topic := range v.Topics {
		head, err := p.head(ctx, topic)
		if err != nil || head <= v.Checkpoint[topic].Position {
			continue // the topic has a check of its own
		}
		if recorded, err := p.waiting(ctx, topic, v.Checkpoint[topic].Position); err == nil && p.config.Now().Sub(recorded) >= p.config.Stalled {
			return fmt.Sprintf("it lags %d events behind the topic %q and has made no progress for %v", head-v.Checkpoint[topic].Position, topic, quiet.Round(time.Second))
		}
	}
	return ""
}

// waiting is when the first event behind a position was recorded.
func (p *Projections) waiting(ctx context.Context, name string, behind core.Position) (time.Time, error) {
	topic, err := p.config.Topics.Open(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	for e, err := range topic.Log.Read(ctx, core.Query{From: behind + 1, To: behind + 1}) {
		return e.Recorded, err
	}
	return time.Time{}, core.ErrNotFound
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
