package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/servers"
)

var schemas atomic.Int64

// newSchema is the name of a schema that no other test has, dropped when the test ends.
func newSchema(t testing.TB, url string) string {
	t.Helper()
	schema := fmt.Sprintf("test %d é \" %s", schemas.Add(1), rand.Text()[:6])
	t.Cleanup(func() { execute(t, url, "drop schema if exists "+pgx.Identifier{schema}.Sanitize()+" cascade") })
	return schema
}

// execute runs a statement as the superuser, on a connection of its own.
func execute(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, args...)
	require.NoError(t, err)
}

// newTopics is an instance of the adapter, quiet, closed when the test ends.
func newTopics(t testing.TB, config postgres.Config) *postgres.Topics {
	t.Helper()
	if config.Log == nil {
		config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	topics := postgres.NewTopics(config)
	t.Cleanup(topics.Close)
	return topics
}

// open opens a log as an instance of its own would.
func open(t testing.TB, config core.TopicConfig) core.Log {
	t.Helper()
	return openWith(t, newTopics(t, postgres.Config{}), config)
}

func openWith(t testing.TB, topics *postgres.Topics, config core.TopicConfig) core.Log {
	t.Helper()
	config, err := topics.Complete(config)
	require.NoError(t, err)
	log, id, err := topics.Open(t.Context(), config, "")
	require.NoError(t, err)
	require.NotEmpty(t, id)
	return log
}

// newConfig is the configuration of a topic in a schema of its own.
func newConfig(t testing.TB) core.TopicConfig {
	t.Helper()
	url := servers.Postgres(t)
	return core.TopicConfig{Name: "orders", Adapter: "postgres", Connection: url, Schema: newSchema(t, url)}
}

func TestLog(t *testing.T) {
	coretest.TestLog(t, func(t *testing.T) coretest.OpenLog {
		config := newConfig(t)
		return func() core.Log { return open(t, config) }
	})
}

func TestCloser(t *testing.T) {
	coretest.TestCloser(t, func(t *testing.T) coretest.OpenLog {
		config := newConfig(t)
		return func() core.Log { return open(t, config) }
	})
}

func TestDocuments(t *testing.T) {
	coretest.TestDocuments(t, func(t *testing.T) coretest.OpenDocuments {
		url := servers.Postgres(t)
		schema := newSchema(t, url)
		return func() core.Documents { return openDocuments(t, newTopics(t, postgres.Config{}), url, schema) }
	})
}

func openDocuments(t testing.TB, topics *postgres.Topics, url, schema string) *postgres.Documents {
	t.Helper()
	documents, err := topics.Documents(url, schema)
	require.NoError(t, err)
	return documents
}
