package queries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Verify walks a topic's stored log from one position to another, both inclusive (0: the
// beginning, the head; beyond the head it ends there), and checks that each event is chained to
// the one before it. After Config.VerifyFor it stops, and To says how far it came.
func (r *Reader) Verify(ctx context.Context, topic string, from, to core.Position) (Verification, error) {
	t, err := r.registry.Open(ctx, topic)
	if err != nil {
		return Verification{}, err
	}
	from = max(from, 1)
	head, err := headOf(ctx, t)
	if errors.Is(err, core.ErrCorrupt) { // where a log's end is damaged nothing of it can be read
		v := Verification{From: from, To: from - 1}
		err = v.broke(from, err)
		return v, err
	}
	if err != nil {
		return Verification{}, err
	}
	if to == 0 || to > head.Position {
		to = head.Position
	}
	if from > to && head.Position > 0 {
		return Verification{}, core.Invalid("from", "%d is above %d, the last position to verify", from, to)
	}
	v := Verification{From: from, To: from - 1, Head: head.Position}
	if from > to {
		return Verification{From: 1}, nil
	}
	return v, r.walk(ctx, t, to, &v)
}

// walk verifies up to a position.
func (r *Reader) walk(ctx context.Context, t *topics.Topic, to core.Position, v *Verification) error {
	before, found, err := eventAt(ctx, t, v.From-1)
	switch {
	case err != nil:
		return v.broke(v.From-1, err)
	case !found && v.From > 1:
		return v.broke(v.From-1, fmt.Errorf("%w: there is no event", core.ErrCorrupt))
	}
	v.Hash = before.Hash
	deadline := time.Now().Add(r.config.VerifyFor)
	chain := core.NewChain(before.Hash)
	for e, err := range t.Log.Read(ctx, core.Query{From: v.From, To: to}) {
		expected := v.To + 1
		if err == nil && e.Position != expected {
			err = fmt.Errorf("%w: the event there says that it is at %d", core.ErrCorrupt, e.Position)
		}
		if err == nil {
			err = chain.NextEvent(&e)
		}
		if err != nil {
			return v.broke(expected, err)
		}
		v.To, v.Hash = e.Position, e.Hash
		v.Verified++
		if time.Now().After(deadline) {
			return nil
		}
	}
	if v.To < to {
		return v.broke(v.To+1, fmt.Errorf("%w: there is no event", core.ErrCorrupt))
	}
	return nil
}

// broke notes where the chain breaks; an error that is not about what is stored is returned.
func (v *Verification) broke(at core.Position, err error) error {
	if !errors.Is(err, core.ErrCorrupt) {
		return fmt.Errorf("verifying position %d: %w", at, err)
	}
	var corrupt *core.CorruptError
	reason := err.Error()
	if errors.As(err, &corrupt) {
		reason = corrupt.Reason // where on the server it lies is not for everybody
		if corrupt.Position > 0 {
			at = corrupt.Position
		}
	}
	v.Broken = &Broken{Position: at, Reason: reason}
	return nil
}
