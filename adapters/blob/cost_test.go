package blob_test

import (
	"io"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/adapters/segment"
	"eventstore/core"
	"eventstore/core/coretest"
)

// coldBudget is what a log may cost a cold publish, which reads its topic's configuration too.
const coldBudget = 5

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
	t.Cleanup(func() { require.NoError(t, log.(io.Closer).Close()) })
	return log, counter
}

// TestCostOfAColdPublish opens logs of several lengths as a fresh instance does, and
// publishes: without an id of the publisher's, and with one that has to be looked for.
func TestCostOfAColdPublish(t *testing.T) {
	t.Parallel()
	for name, appends := range map[string]int{"an empty log": 0, "a short log": 3, "a log of many segments": 150} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := blob.Config{Client: new(blob.Client), Account: account(t), Container: newContainer(), Segment: segment.Options{SegmentSize: 4000, Manual: true}}
			topic, id := filled(t, config, appends)
			config.Segment = segment.Options{Manual: true}

			cold, counter := counted(t, config, topic, id)
			coretest.Append(t, cold, coretest.Sample(appends))
			t.Logf("%v", counter.Calls())
			require.LessOrEqual(t, counter.Total(), int64(coldBudget), "%v", counter.Calls())

			cold, counter = counted(t, config, topic, id)
			found, err := cold.Find(t.Context(), []string{"id-1", "a new id"})
			require.NoError(t, err)
			require.Len(t, found, min(appends, 1))
			coretest.Append(t, cold, coretest.Sample(appends+1))
			t.Logf("with an id: %v, %d bytes", counter.Calls(), counter.Bytes())
			require.LessOrEqual(t, counter.Total(), int64(11), "%v", counter.Calls())
			require.Less(t, counter.Bytes(), int64(32<<20))
		})
	}
}

// filled makes a log with that many appends, its indexes up to date.
func filled(t *testing.T, config blob.Config, appends int) (topic core.TopicConfig, id string) {
	t.Helper()
	topics := blob.NewTopics(config)
	topic, err := topics.Complete(core.TopicConfig{Name: "orders"})
	require.NoError(t, err)
	log, id, err := topics.Open(t.Context(), topic, "")
	require.NoError(t, err)
	head := core.Head{}
	for i := range appends {
		sealed, next := core.Seal(head, coretest.Start, []core.Event{coretest.Sample(i)})
		require.NoError(t, log.Append(t.Context(), head, sealed))
		head = next
	}
	require.NoError(t, log.(*segment.Log).Maintain(t.Context()))
	return topic, id
}

func TestCostOfACommit(t *testing.T) {
	t.Parallel()
	config := blob.Config{Client: new(blob.Client), Account: account(t), Container: newContainer(), Segment: segment.Options{Manual: true}}
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
