package telemetry_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/topics"
	"eventstore/handler/telemetry"
)

// scraped is telemetry that is on, and sends nothing.
func scraped(t testing.TB) *telemetry.Telemetry {
	t.Helper()
	told, err := telemetry.New(t.Context(), telemetry.Config{Scraped: true})
	require.NoError(t, err)
	t.Cleanup(told.Close)
	return told
}

// one is an adapter of one log.
type one struct{ log core.Log }

func (o one) Complete(config core.TopicConfig) (core.TopicConfig, error) { return config, nil }

func (o one) Open(context.Context, core.TopicConfig, string) (core.Log, string, error) {
	return o.log, "id", nil
}

// watch is a log as it is watched.
func watch(t testing.TB, told *telemetry.Telemetry, log core.Log) core.Log {
	t.Helper()
	opened, _, err := told.Adapters(map[string]topics.Adapter{"one": one{log}})["one"].Open(t.Context(), core.TopicConfig{Name: "orders"}, "")
	require.NoError(t, err)
	return opened
}

func TestAWatchedLogIsALog(t *testing.T) {
	t.Parallel()
	told := scraped(t)
	empty := func(t *testing.T) coretest.OpenLog {
		log := new(memory.Log)
		return func() core.Log { return watch(t, told, log) }
	}
	coretest.TestLog(t, empty)
	coretest.TestCloser(t, empty)
}

func TestWatchedDocumentsAreDocuments(t *testing.T) {
	t.Parallel()
	told := scraped(t)
	coretest.TestDocuments(t, func(*testing.T) coretest.OpenDocuments {
		documents := new(memory.Documents)
		return func() core.Documents { return told.Documents("memory", documents) }
	})
}

// able has every optional port.
type able struct {
	core.Log
	closed, maintained bool
	hints              chan struct{}
}

func (a *able) CloseLog(context.Context, core.Head) error { a.closed = true; return nil }
func (a *able) Watch(context.Context) <-chan struct{}     { return a.hints }
func (a *able) Maintain(context.Context) error            { a.maintained = true; return nil }
func (a *able) Close() error                              { a.closed = true; return nil }
func (a *able) ReadLines(context.Context, core.Query) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { yield([]byte("line\n"), nil) }
}

func TestOptionalPortsSurviveBeingWatched(t *testing.T) {
	t.Parallel()
	inner := &able{Log: new(memory.Log), hints: make(chan struct{}, 1)}
	log := watch(t, scraped(t), inner)
	inner.hints <- struct{}{}
	<-log.(core.Watcher).Watch(t.Context())
	require.NoError(t, log.(interface{ Maintain(context.Context) error }).Maintain(t.Context()))
	require.True(t, inner.maintained)
	require.NoError(t, log.(core.Closer).CloseLog(t.Context(), core.Head{}))
	require.True(t, inner.closed)
	inner.closed = false
	require.NoError(t, log.(interface{ Close() error }).Close())
	require.True(t, inner.closed)
	for line, err := range log.(interface {
		ReadLines(context.Context, core.Query) iter.Seq2[[]byte, error]
	}).ReadLines(t.Context(), core.Query{}) {
		require.NoError(t, err)
		require.Equal(t, "line\n", string(line))
	}
}

// bare hides every optional port.
type bare struct{ core.Log }

func TestALogWithoutAPortHasNoneWhenItIsWatched(t *testing.T) {
	t.Parallel()
	log := watch(t, scraped(t), bare{new(memory.Log)})
	require.Nil(t, log.(core.Watcher).Watch(t.Context()))
	require.NoError(t, log.(interface{ Maintain(context.Context) error }).Maintain(t.Context()))
	require.NoError(t, log.(interface{ Close() error }).Close())
	require.Error(t, log.(core.Closer).CloseLog(t.Context(), core.Head{}))
	_, lines := log.(interface {
		ReadLines(context.Context, core.Query) iter.Seq2[[]byte, error]
	})
	require.False(t, lines)
}
