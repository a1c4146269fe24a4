package transfer

import (
	"context"
	"fmt"

	"eventstore/core"
)

// Check walks a whole log, every event of it against the chain, and returns the head that it
// reached. An error is what is wrong first, with its position; the head then is the last
// good one.
func Check(ctx context.Context, log core.Log, progress Progress) (core.Head, error) {
	chain, head := core.NewChain(core.Hash{}), core.Head{}
	for e, err := range log.Read(ctx, core.Query{}) {
		if err != nil {
			return head, fmt.Errorf("behind position %d: %w", head.Position, err)
		}
		if err := checkNext(chain, head, &e); err != nil {
			return head, err
		}
		if head = e.Head(); progress != nil && head.Position%batchEvents == 0 {
			progress(head)
		}
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
