// Package memory keeps topics and documents in this process alone. What it holds is gone
// when the process ends; until then it keeps every promise of the ports but durability.
package memory

import (
	"context"
	"fmt"
	"iter"
	"sort"
	"sync"

	"eventstore/core"
)

// Log is a core.Log. Its zero value is an empty log, ready to use.
type Log struct {
	mu     sync.RWMutex
	events []core.Event             // guarded by mu; events[i] has position i+1, and is never changed
	ids    map[string]core.Position // guarded by mu
	closed bool                     // guarded by mu
}

var (
	_ core.Log    = (*Log)(nil)
	_ core.Closer = (*Log)(nil)
)

// Head reports the last event's position, hash and recorded time.
func (l *Log) Head(context.Context) (core.Head, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head(), nil
}

func (l *Log) head() core.Head {
	if len(l.events) == 0 {
		return core.Head{}
	}
	return l.events[len(l.events)-1].Head()
}

// Append keeps events behind after, if the head is still after.
func (l *Log) Append(ctx context.Context, after core.Head, events []core.Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return core.ErrClosed
	}
	if err := l.expect(after); err != nil {
		return err
	}
	if l.ids == nil {
		l.ids = map[string]core.Position{}
	}
	l.events = append(l.events, events...)
	for _, e := range events {
		l.ids[e.ID] = e.Position
	}
	return nil
}

// CloseLog closes the log, if its head is still after.
func (l *Log) CloseLog(_ context.Context, after core.Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.expect(after); err != nil {
		return err
	}
	l.closed = true
	return nil
}

func (l *Log) expect(after core.Head) error {
	if head := l.head(); head.Position != after.Position || head.Hash != after.Hash {
		return fmt.Errorf("%w: the head is at %d, not at %d", core.ErrConflict, head.Position, after.Position)
	}
	return nil
}

// Find reports the positions of the events that have these ids.
func (l *Log) Find(_ context.Context, ids []string) (map[string]core.Position, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	found := map[string]core.Position{}
	for _, id := range ids {
		if position, ok := l.ids[id]; ok {
			found[id] = position
		}
	}
	return found, nil
}

// Read yields the events that match q, up to the head when the iteration began.
func (l *Log) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		l.mu.RLock()
		events := l.events
		l.mu.RUnlock()
		yielded := 0
		for i := range indexes(events, q) {
			if err := ctx.Err(); err != nil {
				yield(core.Event{}, err)
				return
			}
			if !q.Selects(&events[i]) {
				continue
			}
			yielded++
			if !yield(events[i], nil) || yielded == q.Limit {
				return
			}
		}
	}
}

// indexes yields the places in events that the query looks at, in its direction.
func indexes(events []core.Event, q core.Query) iter.Seq[int] {
	low, high := max(q.From, 1), q.To // positions, both inclusive
	if q.Backward {
		low, high = max(q.To, 1), q.From
	}
	if end := core.Position(len(events)); high == 0 || high > end {
		high = end
	}
	if !q.Since.IsZero() {
		first := sort.Search(len(events), func(i int) bool { return !events[i].Recorded.Before(q.Since) })
		low = max(low, core.Position(first+1))
	}
	if !q.Until.IsZero() {
		end := sort.Search(len(events), func(i int) bool { return !events[i].Recorded.Before(q.Until) })
		high = min(high, core.Position(end))
	}
	return func(yield func(int) bool) {
		for n := range high - low + 1 {
			i := low - 1 + n
			if q.Backward {
				i = high - 1 - n
			}
			if !yield(int(i)) {
				return
			}
		}
	}
}
