package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// bounds are what one run may take.
type bounds struct {
	events, bytes int
	time          time.Duration
	rebuild       bool
	hurry         bool // somebody waits for it: it does not give way
}

func (p *Projections) liveBounds() bounds {
	return bounds{events: p.config.StepEvents, bytes: p.config.StepBytes, time: p.config.StepTime}
}

func (p *Projections) sliceBounds() bounds {
	return bounds{events: math.MaxInt, bytes: 4 * p.config.StepBytes, time: p.config.SliceTime, rebuild: true}
}

// outcome is what came of a step.
type outcome struct {
	events int
	more   bool     // there is more to fold at once
	failed *Failure // why there is nothing to fold now
	paused bool     // or: it is paused, itself or by a topic that is not registered
	from   Checkpoint
	at     Checkpoint
}

// step makes one bounded run of a version and keeps what it did: the documents that changed, then the checkpoint. errStale:
// another run was faster, nothing is lost. Any other error is the storage's, and the next step goes on where this one began, or
// where it came to.
func (p *Projections) step(ctx context.Context, name string, number int, b bounds) (outcome, error) {
	began := time.Now()
	o, err := p.stepOnce(ctx, name, number, b)
	p.tell(ctx, Run{Projection: name, Version: number, Rebuild: b.rebuild, Began: began}, o, err)
	return o, err
}

func (p *Projections) stepOnce(ctx context.Context, name string, number int, b bounds) (outcome, error) {
	r, done, err := p.runner(ctx, name, number)
	var wrong *InvalidError
	if errors.As(err, &wrong) {
		return p.unusable(ctx, name, number, wrong)
	}
	if err != nil {
		return outcome{}, err
	}
	defer done()
	c, err := p.load(ctx, name)
	if err != nil {
		return outcome{}, err
	}
	v := c.Versions[number]
	if v == nil || number == c.Previous {
		return outcome{}, fmt.Errorf("%w: version %d of %q is no longer folded", errStale, number, name)
	}
	if c.Paused {
		return outcome{paused: true, at: v.Checkpoint}, nil
	}
	if v.Failure != nil && p.config.Now().Before(v.Failure.NextAttempt) {
		return outcome{failed: v.Failure, at: v.Checkpoint}, nil
	}
	o, err := p.foldStep(ctx, r, v, b)
	if errors.Is(err, topics.ErrTopicNotFound) {
		return outcome{paused: true, at: v.Checkpoint}, nil
	}
	if err != nil {
		r.forget()
	}
	return o, err
}

// unusable notes that a version's definition can't be run here: its Go handler is not in this binary any more, say.
func (p *Projections) unusable(ctx context.Context, name string, number int, wrong *InvalidError) (o outcome, err error) {
	_, err = p.update(ctx, name, func(c *control) error {
		v := c.Versions[number]
		if v == nil || number == c.Previous {
			return fmt.Errorf("%w: version %d of %q is no longer folded", errStale, number, name)
		}
		now := core.Truncate(p.config.Now())
		if v.Failure == nil || !now.Before(v.Failure.NextAttempt) {
			v.Failure = p.again(v.Failure, &Failure{Message: wrong.Error()}, now)
		}
		o.failed, o.at = v.Failure, v.Checkpoint
		return nil
	})
	return o, err
}

// foldStep folds, writes and commits.
func (p *Projections) foldStep(ctx context.Context, r *runner, v *version, b bounds) (outcome, error) {
	started := time.Now()
	if err := p.know(ctx, r, v); err != nil {
		return outcome{}, err
	}
	run := &run{projections: p, runner: r, working: r.working, from: v.Checkpoint, skipped: v.Skipped,
		rests: b.rebuild && !b.hurry, maxEvents: b.events, maxBytes: b.bytes, deadline: started.Add(b.time)}
	if err := run.fold(ctx); err != nil {
		return outcome{}, err
	}
	grown, err := r.working.flush(ctx)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{events: run.events, more: run.more, from: run.from, at: run.to}
	if run.failed == nil && (v.Failure == nil || v.Failure.Verify) && maps.Equal(run.from, run.to) {
		return o, nil
	}
	o.failed, err = p.commit(ctx, r.key, run, grown, time.Since(started))
	r.at = run.to
	if r.working.size > maxKept {
		r.forget()
	}
	return o, err
}

// know makes sure that the runner has a set of documents to work with. What is known from the run before counts only while
// nobody else has moved the checkpoint: of a document that was not there then, nothing would tell that it is now.
func (p *Projections) know(ctx context.Context, r *runner, v *version) error {
	if r.working != nil && maps.Equal(r.at, v.Checkpoint) {
		return nil
	}
	r.forget()
	w := newWorking(p.config.Documents, collectionOf(r.key.name, r.key.version), r.definition.Topics)
	if len(v.Checkpoint) == 0 {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	r.working, r.at = w, v.Checkpoint
	return nil
}

// commit moves the checkpoint from where the run began to where it came, and notes what it failed on. errStale: it is elsewhere
// by now.
func (p *Projections) commit(ctx context.Context, key runnerKey, run *run, grown int64, took time.Duration) (failed *Failure, err error) {
	now := core.Truncate(p.config.Now())
	_, err = p.update(ctx, key.name, func(c *control) error {
		if err := c.existing(); err != nil {
			return fmt.Errorf("%w: %w", errStale, err)
		}
		v := c.Versions[key.version]
		if v == nil || key.version == c.Previous || !maps.Equal(v.Checkpoint, run.from) {
			return fmt.Errorf("%w: version %d of %q has moved", errStale, key.version, key.name)
		}
		if !maps.Equal(run.from, run.to) {
			v.Progress, v.Check = now, nil
			v.Rate = rate(v.Rate, run.events, took)
		}
		v.Checkpoint, v.Documents = run.to, max(0, v.Documents+grown)
		if v.Failure != nil && v.Failure.Verify && run.failed == nil {
			return nil // it goes when the version verifies
		}
		failed = p.again(v.Failure, run.failed, now)
		v.Failure = failed
		return nil
	})
	if failed != nil && err == nil {
		p.config.Log.WarnContext(ctx, "a projection can't go on", "projection", key.name, "version", key.version, "topic", failed.Topic,
			"position", failed.Position, "attempts", failed.Attempts, "cause", failed.Message)
	}
	return failed, err
}

// again counts the attempts at one and the same failure, and says when the next is due.
func (p *Projections) again(before, failed *Failure, now time.Time) *Failure {
	if failed == nil {
		return nil
	}
	next := *failed
	next.Attempts = 1
	if before != nil && before.Topic == failed.Topic && before.Position == failed.Position {
		next.Attempts = before.Attempts + 1
	}
	wait := p.config.Backoff
	for i := 1; i < next.Attempts && wait < p.config.MaxBackoff; i++ {
		wait *= 2
	}
	next.NextAttempt = now.Add(min(wait, p.config.MaxBackoff))
	return &next
}

// rate is events per second, smoothed over some runs.
func rate(before float64, events int, took time.Duration) float64 {
	now := float64(events) / max(took.Seconds(), 1e-6)
	if before == 0 {
		return now
	}
	return 0.7*before + 0.3*now
}
