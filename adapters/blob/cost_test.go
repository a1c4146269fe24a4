package blob_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

// coldBudget is what a log may cost a cold publish, which reads its topic's configuration too.
const coldBudget = 4

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
// publishes.
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
			require.LessOrEqual(t, counter.Total(), int64(coldBudget), "%v", counter.Calls())
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

// longVariable, when it is set, has the index built for 10 million events; else for a
// hundredth of them, in as many segments, which has the same runs.
const longVariable = "EVENTSTORE_TEST_LONG"

// TestCostOfAColdPublishWithAnID looks an id up in a large log as a fresh instance does. The log's
// index is built without its events; the open segment alone is there.
func TestCostOfAColdPublishWithAnID(t *testing.T) {
	t.Parallel()
	each := 450
	if os.Getenv(longVariable) != "" {
		each = 45_000
	}
	config := blob.Config{Client: new(blob.Client), Account: account(t), Container: newContainer(), Segment: segment.Options{Manual: true}}
	topic, id, head := large(t, config, 230, each)
	cold, counter := counted(t, config, topic, id)
	found, err := cold.Find(t.Context(), []string{"a new id"})
	require.NoError(t, err)
	require.Empty(t, found)
	now, err := cold.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, now)
	sealed, _ := core.Seal(head, coretest.Start, []core.Event{coretest.Sample(int(head.Position))})
	require.NoError(t, cold.Append(t.Context(), head, sealed))
	t.Logf("%d events: %v, %d bytes", head.Position, counter.Calls(), counter.Bytes())
	require.LessOrEqual(t, counter.Total(), int64(12-1), "%v; one more reads the topic's configuration", counter.Calls())
	require.Less(t, counter.Bytes(), int64(32<<20))
	last := fmt.Sprintf("id-%d", head.Position-1)
	found, err = cold.Find(t.Context(), []string{last})
	require.NoError(t, err)
	require.Equal(t, map[string]core.Position{last: head.Position}, found)
}

// large makes a log that has the index of many segments and the events of the open one alone.
func large(t *testing.T, config blob.Config, segments, each int) (topic core.TopicConfig, id string, head core.Head) {
	t.Helper()
	topic, id = filled(t, config, 0)
	index := segmenttest.NewMemory()
	head.Recorded = coretest.Start
	require.NoError(t, segment.BuildIndex(t.Context(), index, id, func(yield func(segment.Indexed) bool) {
		for range segments {
			first := head.Position + 1
			sealed, end := core.Seal(head, coretest.Start, coretest.Samples(int(head.Position), each))
			head = end
			if !yield(segment.Indexed{First: first, Size: 16 << 20, Head: head, Lines: spread(sealed)}) {
				return
			}
		}
	}))
	files := blob.OpenFiles(t, config.Client, config.Account, config.Container)
	for _, name := range index.Names() {
		require.NoError(t, files.Put(t.Context(), name, index.File(name)))
	}
	open := fmt.Sprintf("log/%020d.ndjson", head.Position+1)
	sealed, head := core.Seal(head, coretest.Start, coretest.Samples(int(head.Position), 5))
	text := ""
	for i := range sealed {
		text += sealed[i].Line() + "\n"
	}
	require.NoError(t, files.Create(t.Context(), open, nil))
	require.NoError(t, files.Append(t.Context(), open, 0, []byte(text)))
	return topic, id, head
}

// spread lays events out over a segment.
func spread(events []core.Event) func(yield func(int64, []byte) bool) {
	return func(yield func(int64, []byte) bool) {
		for i := range events {
			if !yield(int64(i)*(16<<20)/int64(len(events)), []byte(events[i].Line())) {
				return
			}
		}
	}
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

// What another instance writes is seen at once, and what nobody has written since is not read again.
func TestCostOfListingAgain(t *testing.T) {
	t.Parallel()
	counter, in := new(blob.Counter), newContainer()
	d, other := documents(t, in, counter), documents(t, in)
	versions := map[string]string{}
	write := func(key, value string) {
		written, err := other.Write(t.Context(), core.Write{Collection: "c", Key: key, Value: []byte(value), Expect: versions[key]})
		require.NoError(t, err)
		versions[key] = written[0]
	}
	list := func() (all map[string]string, spent int64) {
		all, before := map[string]string{}, counter.Total()
		for document, err := range d.List(t.Context(), "c", core.ListQuery{}) {
			require.NoError(t, err)
			require.Equal(t, versions[document.Key], document.Version)
			all[document.Key] = string(document.Value)
			clear(document.Value) // it is the caller's
		}
		return all, counter.Total() - before
	}
	for _, key := range []string{"a", "b", "c"} {
		write(key, "first of "+key)
	}
	want := map[string]string{"a": "first of a", "b": "first of b", "c": "first of c"}
	for _, wantSpent := range []int64{1 + 3, 1, 1} {
		all, spent := list()
		require.Equal(t, want, all)
		require.Equal(t, wantSpent, spent)
	}
	write("b", "second of b")
	want["b"] = "second of b"
	all, spent := list()
	require.Equal(t, want, all)
	require.Equal(t, int64(1+1), spent)
	large := strings.Repeat("x", 1<<20)
	for range 2 {
		write("a", large)
		want["a"] = large
		for range 2 {
			all, spent = list()
			require.Equal(t, want, all)
			require.Equal(t, int64(1+1), spent, "a large document is not kept")
		}
	}
}
