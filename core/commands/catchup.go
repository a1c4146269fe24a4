package commands

import (
	"context"
	"fmt"

	"eventstore/core"
)

// load reads the log's head, once.
func (c *committer) load(ctx context.Context) error {
	c.mu.RLock()
	loaded := c.loaded
	c.mu.RUnlock()
	if loaded {
		return nil
	}
	head, err := c.log.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of topic %q: %w", c.topic.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.loaded {
		c.window.reset(head, c.publisher.config.Window)
		c.loaded = true
	}
	return nil
}

// catchUp reads what other instances appended. Where that is more than is remembered, or
// not the continuation of what was read before, it begins anew at the head.
func (c *committer) catchUp(ctx context.Context) error {
	c.catching.Lock()
	defer c.catching.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.publisher.config.AppendTimeout)
	defer cancel()
	if err := c.load(ctx); err != nil {
		return err
	}
	for {
		done, err := c.readOn(ctx)
		if err != nil {
			return fmt.Errorf("reading what was added to topic %q: %w", c.topic.Name, err)
		}
		if done {
			return nil
		}
	}
}

// readOn reads on once, and reports whether the window then ends at the log's head, as it was
// when it was called.
func (c *committer) readOn(ctx context.Context) (done bool, err error) {
	c.mu.RLock()
	from := c.window.head
	c.mu.RUnlock()
	added, continues, err := c.readBehind(ctx, from)
	if err != nil || continues && 0 < added && added < c.publisher.config.Window {
		return true, err
	}
	head, err := c.log.Head(ctx)
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.window.head; {
	case now.Position == head.Position && now.Hash == head.Hash:
		return true, nil
	case continues && added == 0 && head.Position > from.Position: // it came just now
		return false, nil
	case added == 0 && now.Position == from.Position:
		c.publisher.config.Log.Error("the log is not the one that was read before", "topic", c.topic.Name, "position", from.Position, "head", head.Position)
	}
	c.window.reset(head, c.publisher.config.Window)
	return true, nil
}

// readBehind remembers the events behind a head, as many as a window holds at most. It
// reports how many there are, and whether they continue that head's chain.
func (c *committer) readBehind(ctx context.Context, from core.Head) (added int, continues bool, err error) {
	for e, err := range c.log.Read(ctx, core.Query{From: from.Position + 1, Limit: c.publisher.config.Window}) {
		if err != nil {
			return added, true, err
		}
		if added == 0 && core.NewChain(from.Hash).NextEvent(&e) != nil {
			return 0, false, nil
		}
		added++
		c.mu.Lock()
		c.window.learn(&e)
		c.mu.Unlock()
	}
	return added, true, nil
}
