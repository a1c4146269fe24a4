package commands

import (
	"context"
	"errors"
	"time"

	"eventstore/core"
)

const (
	// maxTries bounds how often an append whose outcome is unknown is made again.
	maxTries = 8
	// The longest waits between those, and after conflicts.
	lastWait     = 2 * time.Second
	conflictWait = 50 * time.Millisecond
)

// commit sees a batch through until each of its requests has its outcome.
func (c *committer) commit(batch []*pending) {
	for conflicts := 0; len(batch) > 0; conflicts++ {
		lost := c.commitOnce(batch)
		if lost == nil {
			return
		}
		c.turns.lost()
		batch = c.regather(lost.waiting(batch), conflicts)
	}
}

// commitOnce plans and appends a batch. The plan comes back if another instance was first,
// whose events are known by then; else each request has its outcome.
func (c *committer) commitOnce(batch []*pending) (lost *plan) {
	ctx, cancel := context.WithTimeout(context.Background(), c.publisher.config.Timeout)
	defer cancel()
	if err := c.load(ctx); err != nil {
		fail(batch, outcome{err: notStored(err)})
		return nil
	}
	b := c.plan(batch)
	if len(b.events) == 0 {
		b.answer()
		return nil
	}
	err := c.appendPlan(ctx, b)
	var outcome *OutcomeError
	switch {
	case errors.As(err, &outcome): // whatever its reason is, the events may be stored
		c.failed(b, err)
	case errors.Is(err, core.ErrConflict):
		if err = c.catchUp(ctx); err == nil {
			return b
		}
		c.failed(b, notStored(err))
	default:
		c.settle(b, err)
	}
	return nil
}

// regather is the next try's batch after a conflict: those requests of the last whose time is
// not over, and what arrived meanwhile.
func (c *committer) regather(batch []*pending, conflicts int) []*pending {
	time.Sleep(c.turns.retryWait(conflicts))
	now, kept := time.Now(), batch[:0]
	for _, p := range batch {
		if !p.expire(now) {
			kept = append(kept, p)
		}
	}
	return c.more(kept)
}

// appendPlan appends a batch's events and remembers them.
func (c *committer) appendPlan(ctx context.Context, b *plan) error {
	sealed, head := core.Seal(b.after, c.publisher.config.Now(), b.events)
	began := time.Now()
	defer func() { c.turns.appended(began) }()
	ctx, ended := c.observeAppend(ctx, b)
	err := c.append(ctx, b.after, head, sealed)
	ended(err)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range sealed {
		c.window.learn(&sealed[i])
	}
	return nil
}

// settle tells a batch's requests what became of them: they are stored, or nothing of them is.
func (c *committer) settle(b *plan, err error) {
	switch {
	case err == nil:
		b.answer()
		head := b.after.Position + core.Position(len(b.events))
		c.topic.Advance(head)
		if published := c.publisher.config.Published; published != nil {
			published(c.topic.Name, head)
		}
	case errors.Is(err, core.ErrClosed):
		b.fail(outcome{closed: true})
	case errors.Is(err, core.ErrRejected) && len(b.parts) > 1:
		for _, part := range b.parts { // so that the one that can't be stored fails alone
			c.commit([]*pending{part.pending})
		}
	case errors.Is(err, core.ErrRejected):
		b.fail(outcome{err: err})
	default:
		c.failed(b, notStored(err))
	}
}

func (c *committer) failed(b *plan, err error) {
	c.publisher.config.Log.Warn("append failed", "topic", c.topic.Name, "after", b.after.Position, "events", len(b.events), "error", err)
	b.fail(outcome{err: err})
}

func fail(batch []*pending, out outcome) {
	for _, p := range batch {
		p.done <- out
	}
}

// append appends sealed events, and where the answer was lost finds out whether they were kept:
// they were exactly if the event at the last one's position has its hash. Making the same
// append again is safe, since it can succeed behind this head alone.
//
// ErrConflict, ErrClosed, ErrRejected and ErrUnavailable: nothing was kept. After every
// attempt to find out failed it is an [OutcomeError].
func (c *committer) append(ctx context.Context, after, head core.Head, sealed []core.Event) error {
	var doubt error // why an append before this one may have been kept
	for try := range maxTries {
		if try > 0 && sleep(ctx, jitter(min(c.publisher.config.Backoff<<(try-1), lastWait))) != nil {
			break
		}
		err := c.tryAppend(ctx, after, sealed)
		if err == nil || definite(err) && doubt == nil {
			return err
		}
		if doubt == nil {
			doubt = err
		}
		found, findErr := c.fate(ctx, after, head)
		switch {
		case findErr != nil || found == unmoved && !final(err):
			continue
		case found == kept:
			return nil
		case final(err):
			return err
		}
		return core.ErrConflict
	}
	return &OutcomeError{Unknown: true, RetryAfter: retryAfter, Err: doubt}
}

func (c *committer) tryAppend(ctx context.Context, after core.Head, sealed []core.Event) error {
	ctx, cancel := context.WithTimeout(ctx, c.publisher.config.AppendTimeout)
	defer cancel()
	return c.log.Append(ctx, after, sealed)
}

// definite reports whether an append's error says that nothing was stored by it.
func definite(err error) bool {
	return errors.Is(err, core.ErrConflict) || errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrTooBusy) || final(err)
}

// final reports whether an append's error says that the same append can't be stored later either.
func final(err error) bool {
	return errors.Is(err, core.ErrRejected) || errors.Is(err, core.ErrClosed)
}

// The fates of an append whose outcome was unknown.
const (
	unmoved = iota // the head is where it was: not kept so far
	kept
	lost // another append was first
)

// fate looks where the log ends after an append that would have moved it from after to head.
func (c *committer) fate(ctx context.Context, after, head core.Head) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.publisher.config.AppendTimeout)
	defer cancel()
	now, err := c.log.Head(ctx)
	switch {
	case err != nil:
		return unmoved, err
	case now.Position == after.Position && now.Hash == after.Hash:
		return unmoved, nil
	case now.Position == head.Position && now.Hash == head.Hash:
		return kept, nil
	case now.Position <= head.Position:
		return lost, nil
	}
	for e, err := range c.log.Read(ctx, core.Query{From: head.Position, To: head.Position}) {
		if err != nil {
			return unmoved, err
		}
		if e.Hash == head.Hash {
			return kept, nil
		}
	}
	return lost, nil
}
