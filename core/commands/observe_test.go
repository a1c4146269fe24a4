package commands_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
)

// observer keeps what it is told. A mark is the number of the publish.
type observer struct {
	mu      sync.Mutex
	begun   int              // guarded by mu
	ended   map[any]error    // guarded by mu
	batches []commands.Batch // guarded by mu
	outcome []error          // guarded by mu
}

func (o *observer) Begin(context.Context, string, int) any {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun++
	return o.begun
}

func (o *observer) End(mark any, _ commands.Result, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended[mark] = err
}

func (o *observer) Append(ctx context.Context, batch commands.Batch) (context.Context, func(error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batches = append(o.batches, batch)
	return ctx, func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.outcome = append(o.outcome, err)
	}
}

func TestAnObserverIsToldWhichPublishesAnAppendCarries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		gated := newGate(s.log)
		s.log = gated
		o := &observer{ended: map[any]error{}}
		i := s.instance(t, commands.Config{Observer: o})
		var publishing sync.WaitGroup
		publish := func(n int) {
			publishing.Go(func() { i.publish(t, events(n)...) })
			synctest.Wait()
		}
		publish(1)
		publish(2)
		publish(3)
		time.Sleep(time.Second)
		close(gated.open)
		publishing.Wait()
		synctest.Wait()
		o.mu.Lock()
		defer o.mu.Unlock()
		require.Equal(t, []commands.Batch{
			{Topic: "orders", Events: 1, Carried: []commands.Carried{{Mark: 1, Events: 1}}},
			{Topic: "orders", After: 1, Events: 5, Carried: []commands.Carried{{Mark: 2, Events: 2, Waited: time.Second}, {Mark: 3, Events: 3, Waited: time.Second}}},
		}, o.batches)
		require.Equal(t, []error{nil, nil}, o.outcome)
		require.Equal(t, map[any]error{1: nil, 2: nil, 3: nil}, o.ended)
	})
}

func TestAnObserverIsToldOfAnAppendThatLost(t *testing.T) {
	t.Parallel()
	s := &shared{new(memory.Log), new(memory.Documents)}
	o := &observer{ended: map[any]error{}}
	i, other := s.instance(t, commands.Config{Observer: o}), s.instance(t, commands.Config{})
	i.publish(t, withIDs("a")...)
	other.publish(t, withIDs("b")...)
	i.publish(t, events(1)...) // its window ends before b
	require.Len(t, o.outcome, 3)
	require.NoError(t, o.outcome[0])
	require.ErrorIs(t, o.outcome[1], core.ErrConflict)
	require.NoError(t, o.outcome[2])
	require.Equal(t, core.Position(2), o.batches[2].After)
	i.log.Script = coretest.Times(1, "Log.Append", coretest.FailBefore)
	i.publish(t, withIDs("b", "c")...) // b is there already: one event is new, and the append is tried again
	require.Equal(t, 1, o.batches[3].Carried[0].Events)
	require.NoError(t, o.outcome[3])
}
