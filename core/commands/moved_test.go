package commands_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
)

// places is an adapter with one log a connection.
type places struct {
	mu   sync.Mutex
	logs map[string]*memory.Log
}

func (p *places) Complete(config core.TopicConfig) (core.TopicConfig, error) { return config, nil }

func (p *places) Open(_ context.Context, config core.TopicConfig, _ string) (core.Log, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.logs[config.Connection] == nil {
		p.logs[config.Connection] = new(memory.Log)
	}
	return p.logs[config.Connection], "log-" + config.Connection, nil
}

// TestMovingInService moves a topic to another log under publishers of two instances: nothing is
// lost, doubled or refused, and who follows it reads on.
func TestMovingInService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		storage, documents := &places{logs: map[string]*memory.Log{}}, new(memory.Documents)
		var registries []*topics.Registry
		var publishers []*commands.Publisher
		for range 2 {
			registry := topics.New(topics.Config{Documents: documents, Default: "places", Adapters: map[string]topics.Adapter{"places": storage}})
			registries, publishers = append(registries, registry), append(publishers, commands.New(registry, commands.Config{}))
		}
		from, _, err := registries[0].Create(t.Context(), core.TopicConfig{Name: "orders", Connection: "old"})
		require.NoError(t, err)

		reader := queries.New(registries[1], queries.Config{})
		_, followed, err := reader.Follow(t.Context(), "orders", core.Query{Limit: 400})
		require.NoError(t, err)
		var read []string
		var running sync.WaitGroup
		running.Go(func() {
			for e, err := range followed {
				if err != nil {
					t.Error(err)
				}
				read = append(read, e.ID)
			}
		})
		var acknowledged atomic.Int64
		for n := range 8 {
			running.Go(func() {
				for round := range 50 {
					_, err := publishers[n%2].Publish(t.Context(), "orders", commands.Request{Events: withIDs(fmt.Sprint(n, "-", round))})
					if err != nil {
						t.Error(err)
						continue
					}
					acknowledged.Add(1)
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Second)
		move(t, registries[0], storage, from)
		running.Wait()
		require.EqualValues(t, 400, acknowledged.Load())
		s := &shared{log: storage.logs["new"]}
		all := s.stored(t)
		require.Len(t, all, 400)
		for i := range all {
			require.Equal(t, all[i].ID, read[i])
		}
		require.Less(t, len((&shared{log: storage.logs["old"]}).stored(t)), 400)
		time.Sleep(10 * time.Minute)
	})
}

// move closes the old log, copies it and switches the registration, taking its time.
func move(t *testing.T, registry *topics.Registry, storage *places, from core.TopicConfig) {
	old := storage.logs["old"]
	for closed := false; !closed; {
		head, err := old.Head(t.Context())
		require.NoError(t, err)
		closed = old.CloseLog(t.Context(), head) == nil
	}
	time.Sleep(3 * time.Second)
	copied, _, err := storage.Open(t.Context(), core.TopicConfig{Connection: "new"}, "")
	require.NoError(t, err)
	var events []core.Event
	for e, err := range old.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		events = append(events, e)
	}
	require.NoError(t, copied.Append(t.Context(), core.Head{}, events))
	_, err = registry.Move(t.Context(), from, core.TopicConfig{Connection: "new"})
	require.NoError(t, err)
}

// TestAClosedLogThatGoesNowhere answers in time that nothing was stored.
func TestAClosedLogThatGoesNowhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		i := s.instance(t, commands.Config{})
		i.publish(t, events(1)...)
		head, err := s.log.Head(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.log.(*memory.Log).CloseLog(t.Context(), head))
		start := time.Now()
		_, err = i.Publish(t.Context(), "orders", commands.Request{Events: events(1)})
		var outcome *commands.OutcomeError
		require.ErrorAs(t, err, &outcome)
		require.False(t, outcome.Unknown)
		require.ErrorIs(t, err, core.ErrClosed)
		require.LessOrEqual(t, time.Since(start), 31*time.Second)
		require.Len(t, s.stored(t), 1)
	})
}
