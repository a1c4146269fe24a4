package blob_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/core"
	"eventstore/core/coretest"
)

// coldBudget is what a log costs a cold publish at most: its identity, its segments, the last
// one's end, the head, the append, and where there are several segments the end of the one before.
const coldBudget = 6

// counted opens the log as a fresh instance does, and counts what is sent.
func counted(t *testing.T, config blob.Config, topic core.TopicConfig, id string) (core.Log, *blob.Counter) {
	t.Helper()
	counter := new(blob.Counter)
	config.Client = &blob.Client{Policies: []policy.Policy{counter}}
	topics := blob.NewTopics(config)
	topic, err := topics.Complete(topic)
	require.NoError(t, err)
	log, _, err := topics.Open(t.Context(), topic, id)
	require.NoError(t, err)
	return log, counter
}

func TestCostOfPublishing(t *testing.T) {
	t.Parallel()
	for name, appends := range map[string]int{"an empty log": 0, "a short log": 3, "a log of many segments": 120} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := blob.Config{Client: new(blob.Client), Account: account(t), Container: newContainer(), SegmentSize: 4000}
			topics := blob.NewTopics(config)
			topic, err := topics.Complete(core.TopicConfig{Name: "orders"})
			require.NoError(t, err)
			log, id, err := topics.Open(t.Context(), topic, "")
			require.NoError(t, err)
			for i := range appends {
				coretest.Append(t, log, coretest.Sample(i))
			}

			config.SegmentSize = 0
			cold, counter := counted(t, config, topic, id)
			coretest.Append(t, cold, coretest.Sample(appends))
			require.LessOrEqual(t, counter.Total(), int64(coldBudget), "%v", counter.Calls())
			if appends > 0 {
				require.NotContains(t, counter.Calls(), "PutBlob")
				require.NotContains(t, counter.Calls(), "CreateContainer")
			}
		})
	}
}

func TestCostOfACommit(t *testing.T) {
	t.Parallel()
	config := blob.Config{Client: new(blob.Client), Account: account(t), Container: newContainer()}
	log, counter := counted(t, config, core.TopicConfig{Name: "orders"}, "")
	head := coretest.Append(t, log, coretest.Sample(0))[0].Head()
	before := counter.Calls()["AppendBlock"]
	all := counter.Total()
	for i := range 20 {
		sealed, next := core.Seal(head, coretest.Start, coretest.Samples(1+i*10, 10))
		require.NoError(t, log.Append(t.Context(), head, sealed))
		head = next
	}
	require.Equal(t, before+20, counter.Calls()["AppendBlock"])
	require.Equal(t, all+20, counter.Total(), "%v", counter.Calls())
}

func TestCostOfDocuments(t *testing.T) {
	t.Parallel()
	counter, in := new(blob.Counter), newContainer()
	d := documents(t, in, counter)
	spent := func() (n int64) {
		n = counter.Total()
		*counter = blob.Counter{}
		return n
	}
	versions, err := d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("v")})
	require.NoError(t, err)
	require.Equal(t, int64(3), spent(), "the first document makes the container")
	_, err = d.Get(t.Context(), "c", "k")
	require.NoError(t, err)
	require.Greater(t, counter.Bytes(), int64(len("v")))
	require.Equal(t, int64(1), spent(), "a read")
	versions, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("v"), Expect: versions[0]})
	require.NoError(t, err)
	require.Equal(t, int64(1), spent(), "a write")
	for i := range 5 {
		_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: string(rune('l' + i)), Value: []byte("v")})
		require.NoError(t, err)
	}
	spent()
	n := 0
	for _, err := range d.List(t.Context(), "c", core.ListQuery{Limit: 4}) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 4, n)
	require.Equal(t, int64(1+4), spent(), "a list reads no more than it yields")
	_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Expect: versions[0]})
	require.NoError(t, err)
	require.Equal(t, int64(1), spent(), "a deletion")
	_, err = d.Get(t.Context(), "c", "k")
	require.ErrorIs(t, err, core.ErrNotFound)
	require.Equal(t, map[string]int64{"GetBlob": 1}, counter.Calls())
}
