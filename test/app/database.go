package app

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/test/servers"
)

// Database makes a PostgreSQL database for one test, and returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	server, name := servers.Postgres(t), "test_"+unique()
	quoted := pgx.Identifier{name}.Sanitize()
	execute(t, server, "create database "+quoted+" template template0 encoding 'UTF8'")
	t.Cleanup(func() { execute(t, server, "drop database "+quoted+" with (force)") })
	address, err := url.Parse(server)
	require.NoError(t, err)
	address.Path = "/" + name
	return address.String()
}
