package commands_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/topics"
)

// distant is a log each of whose calls takes its time, half of it on the way there.
type distant struct {
	core.Log
	takes time.Duration
}

func (d distant) Append(ctx context.Context, after core.Head, events []core.Event) error {
	time.Sleep(d.takes / 2)
	defer time.Sleep(d.takes / 2)
	return d.Log.Append(ctx, after, events)
}

func (d distant) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	time.Sleep(d.takes)
	return d.Log.Read(ctx, q)
}

// apart opens one log, from so far away.
type apart struct {
	log   core.Log
	takes time.Duration
}

func (a apart) Complete(config core.TopicConfig) (core.TopicConfig, error) { return config, nil }
func (a apart) Open(context.Context, core.TopicConfig, string) (core.Log, string, error) {
	return distant{a.log, a.takes}, "one", nil
}

func TestInstancesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const callers, lasting = 8, 60 * time.Second
		documents, log := new(memory.Documents), new(memory.Log)
		end := time.Now().Add(lasting)
		published := make([]atomic.Int64, 3)
		var longest atomic.Int64
		var running sync.WaitGroup
		var publishers []*commands.Publisher
		for i := range published {
			registry := topics.New(topics.Config{Documents: documents, Default: "apart",
				Adapters: map[string]topics.Adapter{"apart": apart{log, time.Duration(2+3*i) * time.Millisecond}}})
			_, _, err := registry.Create(t.Context(), core.TopicConfig{Name: "orders"})
			require.NoError(t, err)
			publisher := commands.New(registry, commands.Config{})
			publishers = append(publishers, publisher)
			for caller := range callers {
				running.Go(func() {
					for n := 0; time.Now().Before(end); n++ {
						began := time.Now()
						_, err := publisher.Publish(t.Context(), "orders", commands.Request{
							Events: []core.Event{{ID: fmt.Sprint(i, caller, n), Type: "T"}}})
						if err != nil {
							t.Errorf("instance %d: %v", i, err)
							return
						}
						published[i].Add(1)
						longest.Store(max(longest.Load(), int64(time.Since(began))))
					}
				})
			}
		}
		running.Wait()
		for _, publisher := range publishers {
			publisher.Close()
		}
		counts := fmt.Sprint(published[0].Load(), " ", published[1].Load(), " ", published[2].Load())
		require.Less(t, time.Duration(longest.Load()), 5*time.Second, counts)
		for i := range published {
			require.Greater(t, published[i].Load(), int64(lasting/time.Second), counts)
		}
		t.Logf("published %s, longest %s", counts, time.Duration(longest.Load()))
	})
}
