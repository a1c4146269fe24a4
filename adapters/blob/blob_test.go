package blob_test

import (
	"crypto/rand"
	"flag"
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
	"eventstore/test/servers"
)

// TestMain has more tests wait for the storage at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func account(t *testing.T) blob.Account {
	t.Helper()
	a, err := blob.ParseAccount("connection", servers.Blob(t))
	require.NoError(t, err)
	return a
}

func newContainer() string { return "test-" + strings.ToLower(rand.Text()) }

func TestFiles(t *testing.T) {
	segmenttest.TestFiles(t, func(t *testing.T) segmenttest.OpenFiles {
		in := newContainer()
		return func() segment.Files { return blob.OpenFiles(t, new(blob.Client), account(t), in) }
	})
}

func TestDocuments(t *testing.T) {
	coretest.TestDocuments(t, func(t *testing.T) coretest.OpenDocuments {
		in := newContainer()
		return func() core.Documents { return documents(t, in) }
	})
}

func documents(t *testing.T, in string, policies ...policy.Policy) *blob.Documents {
	t.Helper()
	d, err := blob.NewDocuments(&blob.Client{Policies: policies}, account(t), in)
	require.NoError(t, err)
	return d
}

func TestLog(t *testing.T) {
	coretest.TestLog(t, func(t *testing.T) coretest.OpenLog {
		config := core.TopicConfig{Name: "orders", Adapter: "blob", Options: map[string]string{"container": newContainer()}}
		return func() core.Log { return openLog(t, blob.Config{Client: new(blob.Client), Account: account(t)}, config) }
	})
}

// TestLogRolling is the suite with segments of a few appends each.
func TestLogRolling(t *testing.T) {
	coretest.TestLog(t, func(t *testing.T) coretest.OpenLog {
		config := core.TopicConfig{Name: "orders", Adapter: "blob", Options: map[string]string{"container": newContainer()}}
		small := blob.Config{Client: new(blob.Client), Account: account(t), Segment: segment.Options{SegmentSize: 20_000, MaxAppends: 4}}
		return func() core.Log { return openLog(t, small, config) }
	})
}

func openLog(t *testing.T, config blob.Config, topic core.TopicConfig) core.Log {
	t.Helper()
	topics := blob.NewTopics(config)
	topic, err := topics.Complete(topic)
	require.NoError(t, err)
	log, id, err := topics.Open(t.Context(), topic, "")
	require.NoError(t, err)
	require.NotEmpty(t, id)
	t.Cleanup(func() { require.NoError(t, log.(io.Closer).Close()) })
	return log
}
