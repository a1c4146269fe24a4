package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
	"eventstore/core/topics"
	"eventstore/core/transfer"
)

// shelf is an adapter whose logs stay, by the configuration's table, as a storage's would.
type shelf struct {
	mu     sync.Mutex
	logs   map[string]*memory.Log
	script coretest.Script
}

func (s *shelf) Complete(config core.TopicConfig) (core.TopicConfig, error) { return config, nil }

func (s *shelf) Open(_ context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[config.Table] == nil {
		if id != "" {
			return nil, "", core.ErrForeign
		}
		s.logs[config.Table] = new(memory.Log)
	}
	log := s.logs[config.Table]
	return closable{&coretest.FlakyLog{Log: log, Script: s.script}, log}, "id-of-" + config.Table, nil
}

// closable is a flaky log that can be closed.
type closable struct {
	*coretest.FlakyLog
	core.Closer
}

func newShelf(documents core.Documents) (*shelf, *topics.Registry) {
	s := &shelf{logs: map[string]*memory.Log{}}
	return s, topics.New(topics.Config{Documents: documents, Adapters: map[string]topics.Adapter{"shelf": s}, Default: "shelf"})
}

func create(t *testing.T, registry *topics.Registry, name, table string) {
	t.Helper()
	_, _, err := registry.Create(t.Context(), core.TopicConfig{Name: name, Table: table})
	require.NoError(t, err)
}

func publish(t *testing.T, publisher *commands.Publisher, id string) error {
	t.Helper()
	_, err := publisher.Publish(t.Context(), "orders", commands.Request{Events: []core.Event{{ID: id, Type: "T"}}})
	return err
}

func TestATopicMovesWhileItIsPublishedTo(t *testing.T) {
	documents := new(memory.Documents)
	s, registry := newShelf(documents)
	create(t, registry, "orders", "old")
	mover := topics.New(topics.Config{Documents: documents, Adapters: map[string]topics.Adapter{"shelf": s}, Default: "shelf"})
	publisher := commands.New(registry, commands.Config{})
	defer publisher.Close()

	const publishers, each = 8, 60
	var publishing sync.WaitGroup
	acknowledged := make([]int, publishers)
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				if err := publish(t, publisher, fmt.Sprintf("%d-%d", p, i)); err != nil {
					t.Error(err)
				}
				acknowledged[p]++
			}
		})
	}
	moved, err := transfer.Move(t.Context(), mover, "orders", core.TopicConfig{Table: "new"}, nil)
	require.NoError(t, err)
	require.Equal(t, "new", moved.Config.Table)
	publishing.Wait()

	head, err := transfer.Check(t.Context(), s.logs["new"], nil)
	require.NoError(t, err)
	require.Equal(t, core.Position(publishers*each), head.Position, "every event is there once")
	oldHead, _ := s.logs["old"].Head(t.Context())
	require.Equal(t, moved.Head, oldHead, "nothing was stored behind the closing")

	again, err := transfer.Move(t.Context(), mover, "orders", core.TopicConfig{Table: "new"}, nil)
	require.NoError(t, err, "moving again is harmless")
	require.Equal(t, head.Position, again.Head.Position)
}

func TestAMoveThatIsStoppedAnywhereGoesOn(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			flaky := &coretest.FlakyDocuments{Documents: new(memory.Documents)}
			s, registry := newShelf(flaky)
			create(t, registry, "orders", "old")
			want := coretest.Append(t, s.logs["old"], coretest.Samples(0, 30)...)
			for tries := 1; ; tries++ {
				var mu sync.Mutex
				ctx, cancel := context.WithCancel(t.Context())
				s.script = func(string) coretest.Fault {
					mu.Lock()
					defer mu.Unlock()
					if random.IntN(20) == 0 {
						cancel()
					}
					return []coretest.Fault{coretest.FailBefore, coretest.FailAfter, coretest.Pass}[min(random.IntN(12), 2)]
				}
				flaky.Script = s.script
				mover := topics.New(topics.Config{Documents: flaky, Adapters: map[string]topics.Adapter{"shelf": s}, Default: "shelf"})
				_, err := transfer.Move(ctx, mover, "orders", core.TopicConfig{Table: "new"}, nil)
				cancel()
				_ = mover.Close()
				if err == nil {
					break
				}
				require.Less(t, tries, 500, "the last error: %v", err)
			}
			s.script, flaky.Script = nil, nil
			got, err := topics.New(topics.Config{Documents: flaky, Adapters: map[string]topics.Adapter{"shelf": s}}).Get(t.Context(), "orders")
			require.NoError(t, err)
			require.Equal(t, "new", got.Table)
			head, err := transfer.Check(t.Context(), s.logs["new"], nil)
			require.NoError(t, err)
			require.Equal(t, want[29].Head(), head)
			_ = registry.Close()
		})
	}
}

func TestWhereAnotherTopicLivesNoneCanMove(t *testing.T) {
	s, registry := newShelf(new(memory.Documents))
	create(t, registry, "orders", "old")
	create(t, registry, "payments", "taken")
	coretest.Append(t, s.logs["old"], coretest.Sample(1))
	_, err := transfer.Move(t.Context(), registry, "orders", core.TopicConfig{Table: "taken"}, nil)
	var exists *topics.ExistsError
	require.ErrorAs(t, err, &exists)
	require.Empty(t, coretest.Lines(t, s.logs["taken"], core.Query{}))

	s.logs["strange"] = new(memory.Log)
	coretest.Append(t, s.logs["strange"], coretest.Sample(7))
	_, err = transfer.Move(t.Context(), registry, "orders", core.TopicConfig{Table: "strange"}, nil)
	var diverged *transfer.DivergedError
	require.ErrorAs(t, err, &diverged)
	require.NoError(t, publish(t, commands.New(registry, commands.Config{}), "still"), "the topic goes on where it is")

	_, err = transfer.Move(t.Context(), registry, "none", core.TopicConfig{Table: "new"}, nil)
	require.True(t, errors.Is(err, topics.ErrTopicNotFound))
}
