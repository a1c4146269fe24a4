package projections

import (
	"context"
	"time"
)

// Run is what became of one run of a version, or why there was none.
type Run struct {
	Projection string
	Version    int
	Rebuild    bool // beside the live version
	Began      time.Time
	Events     int // folded, or looked at in vain
	// From and To are the positions, by topic, between which events were folded; a topic that is left out is at its beginning.
	From, To Positions
	Failed   bool // it can't go on, at To
	Paused   bool
	More     bool // the bounds ended it, and not the heads
	// Err is why nothing was kept: the storage's error, or that another run was faster.
	Err error
	// Waiting reads when the first event behind To was recorded.
	Waiting func(ctx context.Context, topic string) (time.Time, error)
}

// tell tells whoever wants to know of a run.
func (p *Projections) tell(ctx context.Context, r Run, o outcome, err error) {
	if p.config.Ran == nil {
		return
	}
	r.Events, r.From, r.To, r.Err = o.events, o.from.all(), o.at.all(), err
	r.Failed, r.Paused, r.More = o.failed != nil, o.paused, o.more
	r.Waiting = func(ctx context.Context, topic string) (time.Time, error) {
		return p.waiting(ctx, topic, o.at[topic].Position)
	}
	p.config.Ran(ctx, r)
}

// all are the positions of every topic that a checkpoint has; nil of none.
func (c Checkpoint) all() Positions {
	if c == nil {
		return nil
	}
	positions := make(Positions, len(c))
	for topic, place := range c {
		positions[topic] = place.Position
	}
	return positions
}
