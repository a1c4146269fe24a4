package model_test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/adapters/blob"
	"eventstore/adapters/fs"
	"eventstore/adapters/postgres"
	"eventstore/adapters/segment"
	"eventstore/core"
	"eventstore/test/faults/report"
	"eventstore/test/model"
	"eventstore/test/servers"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// unique names a place that no other sequence has.
func unique() string { return "model" + strings.ToLower(rand.Text()[:16]) }

// sequences checks random sequences and counts them in a row.
func sequences(t *testing.T, adapter string, of func(*rapid.T) (commands int)) {
	t.Helper()
	row := report.Begin(t, "random sequences", adapter)
	report.Sequences(t, 10, 500)
	rapid.Check(t, func(rt *rapid.T) {
		commands := of(rt)
		row.Inject(1)
		row.Count("sequences", 1)
		row.Count("commands", commands)
		row.Count("divergences", 0)
	})
}

// smallSegments roll over every few appends.
var smallSegments = segment.Options{SegmentSize: 3_000, Log: quiet}

func TestLogsAnswerAsMemoryDoes(t *testing.T) {
	t.Parallel()
	t.Run("fs", func(t *testing.T) {
		t.Parallel()
		sequences(t, "fs", func(rt *rapid.T) int {
			dir := t.TempDir()
			return model.Log(rt, func() core.Log {
				files, err := fs.OpenFiles(dir)
				require.NoError(rt, err)
				log, err := segment.Open(context.Background(), files, smallSegments)
				require.NoError(rt, err)
				return log
			})
		})
	})
	t.Run("blob", func(t *testing.T) {
		t.Parallel()
		config := blob.Config{Client: new(blob.Client), Account: account(t), Segment: smallSegments, Log: quiet}
		container := unique()
		sequences(t, "blob", func(rt *rapid.T) int {
			topic := core.TopicConfig{Name: "orders", Adapter: "blob", Options: map[string]string{"container": container, "prefix": unique()}}
			return model.Log(rt, func() core.Log { return open(rt, blob.NewTopics(config), topic) })
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url, schema := servers.Postgres(t), newSchema(t)
		topics := postgres.NewTopics(postgres.Config{Log: quiet})
		t.Cleanup(topics.Close)
		sequences(t, "postgres", func(rt *rapid.T) int {
			topic := core.TopicConfig{Name: "orders", Adapter: "postgres", Connection: url, Schema: schema, Table: unique()}
			return model.Log(rt, func() core.Log { return open(rt, topics, topic) })
		})
	})
}

func TestDocumentsAnswerAsMemoryDoes(t *testing.T) {
	t.Parallel()
	t.Run("fs", func(t *testing.T) {
		t.Parallel()
		sequences(t, "fs", func(rt *rapid.T) int {
			dir := t.TempDir()
			return model.Documents(rt, func() core.Documents {
				documents, err := fs.OpenDocuments(dir)
				require.NoError(rt, err)
				t.Cleanup(func() { documents.Close() })
				return documents
			})
		})
	})
	t.Run("blob", func(t *testing.T) {
		t.Parallel()
		sequences(t, "blob", func(rt *rapid.T) int {
			container := unique()
			return model.Documents(rt, func() core.Documents {
				documents, err := blob.NewDocuments(new(blob.Client), account(t), container)
				require.NoError(rt, err)
				return documents
			})
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		topics := postgres.NewTopics(postgres.Config{Log: quiet})
		t.Cleanup(topics.Close)
		sequences(t, "postgres", func(rt *rapid.T) int {
			schema := newSchema(t)
			return model.Documents(rt, func() core.Documents {
				documents, err := topics.Documents(servers.Postgres(t), schema)
				require.NoError(rt, err)
				return documents
			})
		})
	})
}

func account(t *testing.T) blob.Account {
	t.Helper()
	a, err := blob.ParseAccount("connection", servers.Blob(t))
	require.NoError(t, err)
	return a
}

// adapter is what opens the logs of an adapter.
type adapter interface {
	Complete(core.TopicConfig) (core.TopicConfig, error)
	Open(context.Context, core.TopicConfig, string) (core.Log, string, error)
}

func open(t *rapid.T, topics adapter, topic core.TopicConfig) core.Log {
	topic, err := topics.Complete(topic)
	require.NoError(t, err)
	log, _, err := topics.Open(context.Background(), topic, "")
	require.NoError(t, err)
	return log
}

// newSchema is a schema that is dropped when the test has ended.
func newSchema(t *testing.T) string {
	t.Helper()
	schema := unique()
	t.Cleanup(func() {
		ctx := context.Background()
		connection, err := pgx.Connect(ctx, servers.Postgres(t))
		require.NoError(t, err)
		defer connection.Close(ctx)
		_, err = connection.Exec(ctx, "drop schema if exists "+schema+" cascade")
		require.NoError(t, err)
	})
	return schema
}
