package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// closeSoon is how few events may be left to copy when the source is closed: publishing waits
// while those are copied.
const closeSoon = 1_000

// Moved says how a topic was moved.
type Moved struct {
	Config core.TopicConfig // where it is now
	Head   core.Head        // when the source was closed
	Closed time.Duration    // for how long publishing waited, the other instances' noticing aside
}

// Move moves a registered topic to another storage while it is published to. It copies, checks the
// copy from its first event, closes the source by a last entry under the append condition, copies
// the rest and switches the registered configuration. Whatever stops it, the topic stays where it
// is or, once the source is closed, waits to be moved on: calling it again goes on where it ended.
// Readers are served all the time.
func Move(ctx context.Context, registry *topics.Registry, name string, to core.TopicConfig, progress Progress) (Moved, error) {
	source, err := registry.Open(ctx, name)
	if err != nil {
		return Moved{}, err
	}
	to.Name = name
	target, err := registry.Attach(ctx, to)
	if err != nil {
		return Moved{}, fmt.Errorf("opening where topic %q is to move: %w", name, err)
	}
	moved, err := move(ctx, registry, source, target, progress)
	return moved, errors.Join(err, target.Release())
}

func move(ctx context.Context, registry *topics.Registry, source, target *topics.Topic, progress Progress) (Moved, error) {
	if target.Config.Equal(source.Config) { // it is there, perhaps since the last call
		head, err := source.Log.Head(ctx)
		return Moved{Config: source.Config, Head: head}, err
	}
	if err := registry.Reserve(ctx, target, source.Name); err != nil {
		return Moved{}, err
	}
	if err := copyMost(ctx, source.Log, target.Log, progress); err != nil {
		return Moved{}, fmt.Errorf("copying topic %q: %w", source.Name, err)
	}
	began := time.Now()
	head, err := closeSource(ctx, source.Log)
	if err != nil {
		return Moved{}, fmt.Errorf("closing the old log of topic %q: %w", source.Name, err)
	}
	if err := copyRest(ctx, source.Log, target.Log, head, progress); err != nil {
		return Moved{}, fmt.Errorf("copying the last events of topic %q: %w", source.Name, err)
	}
	config, err := registry.Move(ctx, source.Config, target.Config)
	if err != nil {
		return Moved{}, err
	}
	return Moved{Config: config, Head: head, Closed: time.Since(began)}, nil
}

// copyMost copies until little is left, and checks all of the copy.
func copyMost(ctx context.Context, from, to core.Log, progress Progress) error {
	for {
		before, err := to.Head(ctx)
		if err != nil {
			return err
		}
		after, err := Copy(ctx, from, to, progress)
		if err != nil {
			return err
		}
		if after.Position-before.Position < closeSoon {
			break
		}
	}
	if _, err := CheckChain(ctx, to); err != nil {
		return fmt.Errorf("checking the copy: %w", err)
	}
	return nil
}

// closeSource closes a log at whatever head it has by then.
func closeSource(ctx context.Context, log core.Log) (core.Head, error) {
	closer, ok := log.(core.Closer)
	if !ok {
		return core.Head{}, fmt.Errorf("a log of this kind can't be closed")
	}
	for failed := 0; ; {
		head, err := log.Head(ctx)
		if err == nil {
			if err = closer.CloseLog(ctx, head); err == nil {
				return head, nil
			}
		}
		if !errors.Is(err, core.ErrConflict) {
			if failed++; failed == tries {
				return core.Head{}, err
			}
		}
		if err := pause(ctx, time.Duration(failed)*50*time.Millisecond); err != nil {
			return core.Head{}, err
		}
	}
}

// copyRest copies up to the head at which the source was closed.
func copyRest(ctx context.Context, from, to core.Log, head core.Head, progress Progress) error {
	reached, err := Copy(ctx, from, to, progress)
	if err == nil && (reached.Position != head.Position || reached.Hash != head.Hash) {
		err = fmt.Errorf("%w: the copy ends at %d, the closed log at %d", core.ErrCorrupt, reached.Position, head.Position)
	}
	return err
}
