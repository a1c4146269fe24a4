package commands_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
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

// TestInstancesTakeTurns has instances publish to one log as fast as they can, each so far away from it.
func TestInstancesTakeTurns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		distances []time.Duration
		lasting   time.Duration
	}{
		"three at different distances": {[]time.Duration{2 * time.Millisecond, 5 * time.Millisecond, 8 * time.Millisecond}, 10 * time.Second},
		"sixteen that are equal":       {slices.Repeat([]time.Duration{20 * time.Millisecond}, 16), 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { takeTurns(t, tt.distances, tt.lasting) })
		})
	}
}

// takeTurns holds that 99 of 100 publishes take less than 10 s, and that no instance is left behind.
func takeTurns(t *testing.T, distances []time.Duration, lasting time.Duration) {
	const callers = 8
	documents, log := new(memory.Documents), new(memory.Log)
	end := time.Now().Add(lasting)
	var mu sync.Mutex
	var took []time.Duration                 // guarded by mu
	published := make([]int, len(distances)) // guarded by mu
	var running sync.WaitGroup
	var publishers []*commands.Publisher
	for i, takes := range distances {
		registry := topics.New(topics.Config{Documents: documents, Default: "apart",
			Adapters: map[string]topics.Adapter{"apart": apart{log, takes}}})
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
					mu.Lock()
					took = append(took, time.Since(began))
					published[i]++
					mu.Unlock()
				}
			})
		}
	}
	running.Wait()
	for _, publisher := range publishers {
		publisher.Close()
	}
	slices.Sort(took)
	t.Logf("published %v; p50 %v, p99 %v, longest %v", published, took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	require.Less(t, took[len(took)*99/100], 10*time.Second)
	require.Greater(t, slices.Min(published), 5*callers, published)
}
