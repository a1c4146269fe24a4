package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
)

func TestATopicInMemoryKeepsItsLogUntilItIsForgotten(t *testing.T) {
	t.Parallel()
	adapter, config := new(memory.Topics), core.TopicConfig{Name: "orders", Adapter: "memory"}
	log, identity, err := adapter.Open(t.Context(), config, "")
	require.NoError(t, err)
	require.NotEmpty(t, identity)
	sealed, head := core.Seal(core.Head{}, time.Unix(1, 0), coretest.Samples(0, 3))
	require.NoError(t, log.Append(t.Context(), core.Head{}, sealed))

	again, same, err := adapter.Open(t.Context(), config, identity)
	require.NoError(t, err)
	require.Equal(t, identity, same)
	found, err := again.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, found)

	_, _, err = adapter.Open(t.Context(), config, "another")
	require.ErrorIs(t, err, core.ErrForeign)

	adapter.Forget(config)
	empty, kept, err := adapter.Open(t.Context(), config, identity)
	require.NoError(t, err)
	require.Equal(t, identity, kept)
	found, err = empty.Head(t.Context())
	require.NoError(t, err)
	require.Zero(t, found)
}

func TestTwoTopicsInMemoryAreTwoLogs(t *testing.T) {
	t.Parallel()
	adapter := new(memory.Topics)
	one, first, err := adapter.Open(t.Context(), core.TopicConfig{Name: "one"}, "")
	require.NoError(t, err)
	two, second, err := adapter.Open(t.Context(), core.TopicConfig{Name: "two"}, "")
	require.NoError(t, err)
	require.NotSame(t, one, two)
	require.NotEqual(t, first, second)
}

func TestATopicInMemoryHasNoPlace(t *testing.T) {
	t.Parallel()
	adapter := new(memory.Topics)
	for _, tt := range []struct {
		config core.TopicConfig
		wrong  string
	}{
		{core.TopicConfig{Name: "a", Connection: "x"}, "connection"},
		{core.TopicConfig{Name: "a", Schema: "x"}, "schema"},
		{core.TopicConfig{Name: "a", Table: "x"}, "table"},
		{core.TopicConfig{Name: "a", Options: map[string]string{"x": "y"}}, "options"},
	} {
		_, err := adapter.Complete(tt.config)
		require.EqualError(t, err, tt.wrong+": is not for a topic in memory; leave it out")
	}
	config := core.TopicConfig{Name: "a", Adapter: "memory", Description: "d"}
	completed, err := adapter.Complete(config)
	require.NoError(t, err)
	require.Equal(t, config, completed)
}
