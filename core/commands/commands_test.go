package commands_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
	"eventstore/core/topics"
)

// adapter opens the same log for every topic, as all instances do, each through its own
// script of faults.
type adapter struct {
	opened   *coretest.FlakyLog
	identity string
}

func newFlaky(log core.Log) *coretest.FlakyLog { return &coretest.FlakyLog{Log: log} }

func (a *adapter) Complete(config core.TopicConfig) (core.TopicConfig, error) { return config, nil }

func (a *adapter) Open(context.Context, core.TopicConfig, string) (core.Log, string, error) {
	return a.opened, a.identity, nil
}

// instance is a publisher as one process has it.
type instance struct {
	*commands.Publisher
	log *coretest.FlakyLog
}

// shared is a topic "orders" that several instances publish to.
type shared struct {
	log       core.Log
	documents *memory.Documents
}

func newShared() *shared { return &shared{new(memory.Log), new(memory.Documents)} }

func (s *shared) instance(t testing.TB, config commands.Config) *instance {
	flaky := newFlaky(s.log)
	registry := topics.New(topics.Config{Documents: s.documents, Default: "shared",
		Adapters: map[string]topics.Adapter{"shared": &adapter{flaky, "log-1"}}})
	_, _, err := registry.Create(t.Context(), core.TopicConfig{Name: "orders"})
	require.NoError(t, err)
	p := commands.New(registry, config)
	t.Cleanup(p.Close)
	return &instance{p, flaky}
}

// events are n events without ids.
func events(n int) []core.Event {
	list := make([]core.Event, n)
	for i := range list {
		list[i] = core.Event{Type: "OrderPlaced", Subject: fmt.Sprint("order-", i), Data: `{"total":19.5}`}
	}
	return list
}

func withIDs(ids ...string) []core.Event {
	list := events(len(ids))
	for i := range list {
		list[i].ID, list[i].Subject = ids[i], "of "+ids[i]
	}
	return list
}

func (i *instance) publish(t testing.TB, events ...core.Event) commands.Result {
	t.Helper()
	result, err := i.Publish(t.Context(), "orders", commands.Request{Events: events})
	require.NoError(t, err)
	return result
}

// stored reads the whole log and checks what every log must hold: dense positions, an unbroken chain,
// recorded times that never decrease, ids once.
func (s *shared) stored(t testing.TB) []core.Event {
	t.Helper()
	chain, ids, all := core.NewChain(core.Hash{}), map[string]bool{}, []core.Event{}
	var last time.Time
	for e, err := range s.log.Read(context.Background(), core.Query{}) {
		require.NoError(t, err)
		require.Equal(t, core.Position(len(all)+1), e.Position)
		require.NoError(t, chain.NextEvent(&e))
		require.False(t, ids[e.ID], "%s is stored twice", e.ID)
		require.False(t, e.Recorded.Before(last))
		ids[e.ID], last = true, e.Recorded
		all = append(all, e)
	}
	return all
}

func TestPublish(t *testing.T) {
	t.Parallel()
	s := newShared()
	i := s.instance(t, commands.Config{})
	first := i.publish(t, events(1)...)
	require.Equal(t, core.Position(1), first.First)
	second := i.publish(t, events(3)...)
	require.Equal(t, [3]core.Position{2, 4, 4}, [3]core.Position{second.First, second.Last, second.Head})
	require.Equal(t, "orders", second.Topic)
	all := s.stored(t)
	require.Len(t, all, 4)
	for n, more := range []bool{false, true, true, false} {
		require.Equal(t, more, all[n].More, "position %d", n+1)
	}
	require.Equal(t, "/topics/orders", all[0].Source)
	require.Equal(t, core.DefaultContentType, all[0].DataContentType)
	require.Len(t, all[0].ID, 36)
	require.Equal(t, all[0].ID, first.Events[0].ID)
	require.Equal(t, all[0].Recorded, all[0].Time)
}

func BenchmarkPublish(b *testing.B) {
	i := newShared().instance(b, commands.Config{})
	b.SetParallelism(32)
	b.ReportAllocs()
	defer func() { b.ReportMetric(float64(b.N)/float64(i.log.Appends.Load()), "events/append") }()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := i.Publish(b.Context(), "orders", commands.Request{Events: []core.Event{{Type: "OrderPlaced", Subject: "order-1",
				Data: `{"total":19.5,"currency":"EUR","lines":[{"sku":"a-1","n":2},{"sku":"b-2","n":1}]}`}}})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

func TestRacingInstances(t *testing.T) {
	t.Parallel()
	s := newShared()
	var running sync.WaitGroup
	for range 4 {
		i := s.instance(t, commands.Config{Window: 50})
		for range 4 {
			running.Go(func() {
				for range 50 {
					i.publish(t, events(2)...)
				}
			})
		}
	}
	running.Wait()
	require.Len(t, s.stored(t), 4*4*50*2)
}
