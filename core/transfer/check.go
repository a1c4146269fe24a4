package transfer

import (
	"context"
	"fmt"
	"strings"

	"eventstore/core"
)

// Check walks a whole log: every event of it against the chain, and that each id is found at its own
// position, so that it is stored once. It returns the head that it reached. An error is what is wrong
// first, with its position; the head then is the last good one.
func Check(ctx context.Context, log core.Log, progress Progress) (core.Head, error) {
	ids := idCheck{log: log}
	head, err := walk(ctx, log, func(e *core.Event) error {
		if progress != nil && e.Position%batchEvents == 0 {
			progress(e.Head())
		}
		return ids.add(ctx, e)
	})
	if err != nil {
		return head, err
	}
	return head, ids.flush(ctx)
}

// CheckChain walks a whole log against the chain alone. It is enough for a copy: one that reaches the
// source's hash is the source, byte for byte.
func CheckChain(ctx context.Context, log core.Log) (core.Head, error) {
	return walk(ctx, log, func(*core.Event) error { return nil })
}

func walk(ctx context.Context, log core.Log, visit func(*core.Event) error) (core.Head, error) {
	chain, head := core.NewChain(core.Hash{}), core.Head{}
	for e, err := range log.Read(ctx, core.Query{}) {
		if err != nil {
			return head, fmt.Errorf("behind position %d: %w", head.Position, err)
		}
		if err := checkNext(chain, head, &e); err != nil {
			return head, err
		}
		if err := visit(&e); err != nil {
			return head, err
		}
		head = e.Head()
	}
	return head, nil
}

func checkNext(chain *core.Chain, head core.Head, e *core.Event) error {
	if e.Position != head.Position+1 {
		return fmt.Errorf("%w: position %d follows %d", core.ErrCorrupt, e.Position, head.Position)
	}
	if e.Recorded.Before(head.Recorded) {
		return fmt.Errorf("%w: position %d was recorded before position %d", core.ErrCorrupt, e.Position, head.Position)
	}
	if err := chain.NextEvent(e); err != nil {
		return fmt.Errorf("position %d: %w", e.Position, err)
	}
	return nil
}

// idsAtOnce is how many ids are looked up together.
const idsAtOnce = 1_000

// idCheck looks up the ids of the events that pass, many at once.
type idCheck struct {
	log       core.Log
	ids       []string
	positions []core.Position
}

func (c *idCheck) add(ctx context.Context, e *core.Event) error {
	c.ids, c.positions = append(c.ids, strings.Clone(e.ID)), append(c.positions, e.Position)
	if len(c.ids) < idsAtOnce {
		return nil
	}
	return c.flush(ctx)
}

func (c *idCheck) flush(ctx context.Context) error {
	found, err := c.log.Find(ctx, c.ids)
	if err != nil {
		return fmt.Errorf("looking up ids: %w", err)
	}
	for i, id := range c.ids {
		switch at, ok := found[id]; {
		case !ok:
			return fmt.Errorf("%w: the id %q of position %d is not found", core.ErrCorrupt, id, c.positions[i])
		case at != c.positions[i]:
			return fmt.Errorf("%w: the id %q of position %d is found at %d", core.ErrCorrupt, id, c.positions[i], at)
		}
	}
	c.ids, c.positions = c.ids[:0], c.positions[:0]
	return nil
}
