package app

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/test/servers"
)

// Storage is a kind of storage that a topic may have.
type Storage struct {
	Adapter string
	// Make makes a place for one topic, and returns the settings that a server needs to reach it and the
	// topic's registration, but for its name.
	Make func(t testing.TB) (settings []string, registration map[string]any)
}

// Storages are all kinds. Blob and PostgreSQL are the real servers of package servers.
func Storages() []Storage {
	return []Storage{{"memory", memory}, {"fs", files}, {"blob", blob}, {"postgres", postgres}}
}

func memory(testing.TB) ([]string, map[string]any) {
	return nil, map[string]any{"adapter": "memory"}
}

func files(t testing.TB) ([]string, map[string]any) {
	dir := t.TempDir()
	return []string{"EVENTSTORE_FS_ROOTS=" + dir}, map[string]any{
		"adapter": "fs", "connection": filepath.Join(dir, "log"), "options": map[string]string{"createDirIfNotExist": "true"},
	}
}

func blob(t testing.TB) ([]string, map[string]any) {
	return []string{"TEST_BLOB=" + servers.Blob(t)}, map[string]any{
		"adapter": "blob", "connection": "%TEST_BLOB%", "options": map[string]string{"container": "test-" + unique()},
	}
}

func postgres(t testing.TB) ([]string, map[string]any) {
	url, schema := servers.Postgres(t), "test_"+unique()
	execute(t, url, "create schema "+pgx.Identifier{schema}.Sanitize())
	t.Cleanup(func() { execute(t, url, "drop schema "+pgx.Identifier{schema}.Sanitize()+" cascade") })
	return []string{"TEST_POSTGRES=" + url}, map[string]any{"adapter": "postgres", "connection": "%TEST_POSTGRES%", "schema": schema}
}

// execute runs a statement, also when the test has ended.
func execute(t testing.TB, url, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	connection, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer connection.Close(ctx)
	_, err = connection.Exec(ctx, statement)
	require.NoError(t, err, statement)
}

// unique is a text that no other test has, of lower-case letters and digits.
func unique() string { return strings.ToLower(rand.Text()[:16]) }
