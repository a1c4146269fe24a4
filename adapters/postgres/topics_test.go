package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/servers"
)

const anywhere = "postgres://u:p@db.example.com/events"

func TestCompleteFillsInTheNames(t *testing.T) {
	t.Parallel()
	digits := func(name string) string {
		sum := sha256.Sum256([]byte(name))
		return "_" + hex.EncodeToString(sum[:])[:12]
	}
	long, wide := strings.Repeat("orders-", 14), strings.Repeat("é", 30)
	for _, tt := range []struct{ name, table, want string }{
		{"orders", "", "orders_events"},
		{"orders", "Odd \"name\"; drop", "Odd \"name\"; drop"},
		{strings.Repeat("a", 51), "", strings.Repeat("a", 51) + "_events"},
		{strings.Repeat("a", 52), "", strings.Repeat("a", 40) + digits(strings.Repeat("a", 52)+"_events")},
		{long, "", long[:40] + digits(long+"_events")},
		{"orders", wide, strings.Repeat("é", 22) + digits(wide)},
	} {
		got, err := newTopics(t, postgres.Config{}).Complete(core.TopicConfig{Name: tt.name, Table: tt.table, Connection: anywhere})
		require.NoError(t, err)
		require.Equal(t, "public", got.Schema)
		require.Equal(t, tt.want, got.Table)
		require.LessOrEqual(t, len(got.Table+"_head"), 63)
		again, err := newTopics(t, postgres.Config{}).Complete(got)
		require.NoError(t, err)
		require.Equal(t, got, again, "completing twice changes nothing")
	}
}

func TestCompleteRefusesWhatCantWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config core.TopicConfig
		place  string
		says   string
	}{
		"no connection":              {core.TopicConfig{}, "connection", "missing"},
		"no URL":                     {core.TopicConfig{Connection: "mysql://u:secret@h/db"}, "connection", "not a URL"},
		"a password that breaks it":  {core.TopicConfig{Connection: "postgres://u:sec%ret@h/db"}, "connection", "percent-encoded"},
		"no host":                    {core.TopicConfig{Connection: "user=u password=secret"}, "connection", "no host"},
		"a host of the environment":  {core.TopicConfig{Connection: "postgres:///db"}, "connection", "no host"},
		"a file of passwords":        {core.TopicConfig{Connection: "host=h passfile=/etc/secret"}, "connection", "passfile"},
		"a service of this instance": {core.TopicConfig{Connection: "postgres://h/db?service=secret"}, "connection", "service"},
		"a key of this instance":     {core.TopicConfig{Connection: "host=h sslkey=/secret sslcert=/secret"}, "connection", "ssl"},
		"a setting of sessions":      {core.TopicConfig{Connection: "postgres://u:secret@h/db?search_path=x"}, "connection", "these settings alone"},
		"options of a session":       {core.TopicConfig{Connection: "postgres://u:secret@h/db?options=-csearch_path%3Dx"}, "connection", "options"},
		"a pool of no size":          {core.TopicConfig{Connection: "postgres://u:secret@h/db?pool_max_conns=none"}, "connection", "pool_"},
		"an option":                  {core.TopicConfig{Connection: anywhere, Options: map[string]string{"pool": "1"}}, "options.pool", "none"},
		"a NUL in the schema":        {core.TopicConfig{Connection: anywhere, Schema: "a\x00b"}, "schema", "NUL"},
		"a NUL in the table":         {core.TopicConfig{Connection: anywhere, Table: "a\x00b"}, "table", "NUL"},
		"a table that is not UTF-8":  {core.TopicConfig{Connection: anywhere, Table: "\xff"}, "table", "UTF-8"},
		"a schema too long":          {core.TopicConfig{Connection: anywhere, Schema: strings.Repeat("é", 32)}, "schema", "64 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.config.Name = "orders"
			_, err := newTopics(t, postgres.Config{}).Complete(tt.config)
			var invalid *core.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, tt.place, invalid.Place)
			require.Contains(t, invalid.Reason, tt.says)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestCompleteLeavesNamedSettingsAndTheInstancesOwnDatabase(t *testing.T) {
	t.Parallel()
	got, err := newTopics(t, postgres.Config{}).Complete(core.TopicConfig{Name: "orders", Connection: "%ORDERS_PG%"})
	require.NoError(t, err)
	require.Equal(t, "%ORDERS_PG%", got.Connection)
	got, err = newTopics(t, postgres.Config{Connection: anywhere}).Complete(core.TopicConfig{Name: "orders"})
	require.NoError(t, err)
	require.Empty(t, got.Connection, "the instance's own password is not stored with the topic")
}

func TestOddNamesAreTables(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	schema := newSchema(t, url)
	topics := newTopics(t, postgres.Config{Connection: url})
	logs := map[string]core.Log{}
	names := []string{"plain", "Plain", `"quoted"`, `a"; drop table x; --`, "a.b", "{events}", "{head}", "$1", "ünï 😀", "select", strings.Repeat("x", 58),
		strings.Repeat("x", 59), strings.Repeat("x", 100), strings.Repeat("é", 29), strings.Repeat("é", 60), "x_pkey", "%d%s"}
	for i, name := range names {
		log := openWith(t, topics, core.TopicConfig{Name: "orders", Schema: schema, Table: name})
		coretest.Append(t, log, coretest.Samples(i*100, i+1)...)
		logs[name] = log
	}
	for i, name := range names {
		lines := coretest.Lines(t, logs[name], core.Query{})
		require.Len(t, lines, i+1, name)
		require.Len(t, coretest.Lines(t, logs[name], core.Query{Filter: core.Filter{{Types: []string{"OrderPlaced", "OrderShipped", "OrderPurged"}}}}), i+1)
		require.Contains(t, lines[0], fmt.Sprintf(`"id-%d"`, i*100))
		head := core.Head{}
		sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(5000, 1))
		require.ErrorIs(t, logs[name].Append(t.Context(), head, sealed), core.ErrConflict)
	}
}

func TestALogOpensAsItselfAlone(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	topics := newTopics(t, postgres.Config{})
	config, err := topics.Complete(config)
	require.NoError(t, err)
	_, _, err = topics.Open(t.Context(), config, "0123")
	require.ErrorIs(t, err, core.ErrForeign, "none is there, and none is made")
	_, id, err := topics.Open(t.Context(), config, "")
	require.NoError(t, err)
	_, again, err := topics.Open(t.Context(), config, "")
	require.NoError(t, err)
	require.Equal(t, id, again)
	_, again, err = topics.Open(t.Context(), config, id)
	require.NoError(t, err)
	require.Equal(t, id, again)
	_, _, err = topics.Open(t.Context(), config, "0123")
	require.ErrorIs(t, err, core.ErrForeign)
	log := openWith(t, topics, config)
	change(t, config, "drop table {t}, {head}, {tags}")
	_, _, err = topics.Open(t.Context(), config, id)
	require.ErrorIs(t, err, core.ErrForeign)
	_, err = log.Head(t.Context())
	require.ErrorIs(t, err, core.ErrForeign)
}

func TestTablesOfSomethingElseAreLeftAlone(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"the events":               "create table {t} (name text); insert into {t} values ('kept')",
		"the head":                 "create table {t} (name text); insert into {t} values ('kept'); create table {head} (position bigint)",
		"a view":                   "create table {tags} (x int); create view {t} as select 'kept' as name",
		"another log's, as a head": "create table {t} (name text); insert into {t} values ('kept'); create view {head} as select 1 as format",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newConfig(t)
			execute(t, config.Connection, "create schema "+pgx.Identifier{config.Schema}.Sanitize())
			change(t, config, sql)
			topics := newTopics(t, postgres.Config{})
			config, err := topics.Complete(config)
			require.NoError(t, err)
			_, _, err = topics.Open(t.Context(), config, "")
			var invalid *core.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "table", invalid.Place)
			require.Equal(t, "kept", value(t, config.Connection, "select name from "+pgx.Identifier{config.Schema, config.Table}.Sanitize()))
		})
	}
}

// value is what a query's one row has in its one column.
func value(t testing.TB, url, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&text))
	return text
}

func TestFirstUseByManyAtOnceMakesOneLog(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	firstUse(t, config)
	_, config.Connection = newProxy(t, config.Connection, true)
	for range 5 { // sessions that have looked for other tables, and are shared
		config.Schema = newSchema(t, servers.Postgres(t))
		firstUse(t, config)
	}
}

// firstUse has 8 instances open a log and write documents where there is nothing yet.
func firstUse(t *testing.T, config core.TopicConfig) {
	t.Helper()
	config, err := newTopics(t, postgres.Config{}).Complete(config)
	require.NoError(t, err)
	ids, errs, documents := make([]string, 8), make([]error, 8), make([]error, 8)
	var starting sync.WaitGroup
	for i := range ids {
		topics := newTopics(t, postgres.Config{}) // an instance of its own
		starting.Go(func() { _, ids[i], errs[i] = topics.Open(t.Context(), config, "") })
		starting.Go(func() {
			store := openDocuments(t, topics, config.Connection, config.Schema)
			_, documents[i] = store.Write(t.Context(), core.Write{Collection: "c", Key: fmt.Sprint(i), Value: []byte("v")})
		})
	}
	starting.Wait()
	for i := range ids {
		require.NoError(t, errs[i])
		require.NoError(t, documents[i])
		require.Equal(t, ids[0], ids[i])
	}
}

func TestAServerThatWouldLoseEventsIsRefused(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	schema := newSchema(t, url)
	role := roleOf(t, url, schema)
	config := core.TopicConfig{Name: "orders", Connection: role.url, Schema: schema}
	execute(t, url, "alter role "+role.name+" set synchronous_commit = off")
	requireInvalid(t, config, "synchronous_commit")
	execute(t, url, "alter role "+role.name+" set synchronous_commit = local")
	open(t, config)
	execute(t, url, "alter role "+role.name+" set default_transaction_read_only = on")
	_, _, err := openCompleted(t, config)
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.ErrorContains(t, err, "read-only")
}

func TestARoleNeedsFewPrivileges(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	schema := newSchema(t, url)
	config := core.TopicConfig{Name: "orders", Connection: url, Schema: schema}
	open(t, config)
	reader, writer := roleOf(t, url, ""), roleOf(t, url, "")
	quoted := pgx.Identifier{schema}.Sanitize()
	execute(t, url, fmt.Sprintf("grant usage on schema %s to %s, %s", quoted, reader.name, writer.name))
	execute(t, url, fmt.Sprintf("grant select on all tables in schema %s to %s", quoted, reader.name))
	change(t, core.TopicConfig{Connection: url, Schema: schema}, "grant select, insert on {t}, {tags} to "+writer.name)
	change(t, core.TopicConfig{Connection: url, Schema: schema}, "grant select, update on {head} to "+writer.name)
	config.Connection = reader.url
	_, _, err := openCompleted(t, config)
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.ErrorContains(t, err, "may not")
	config.Connection = writer.url
	log := open(t, config)
	coretest.Append(t, log, coretest.Samples(0, 10)...)
	require.Len(t, coretest.Lines(t, log, core.Query{Filter: core.Filter{{Tags: []string{"even"}}}}), 4)
}

type role struct{ name, url string }

// roleOf makes a role, dropped with the test, that owns schema where there is one.
func roleOf(t *testing.T, url, schema string) role {
	t.Helper()
	name := "test_" + strings.ToLower(randomLetters(10))
	execute(t, url, "create role "+name+" login password 'secret'")
	t.Cleanup(func() { execute(t, url, "drop owned by "+name+" cascade"); execute(t, url, "drop role "+name) })
	if schema != "" {
		execute(t, url, "create schema "+pgx.Identifier{schema}.Sanitize()+" authorization "+name)
	}
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return role{name, fmt.Sprintf("host=%s port=%d user=%s password=secret dbname=%s sslmode=disable", config.Host, config.Port, name, config.Database)}
}

func openCompleted(t *testing.T, config core.TopicConfig) (core.Log, string, error) {
	t.Helper()
	topics := newTopics(t, postgres.Config{})
	config, err := topics.Complete(config)
	require.NoError(t, err)
	return topics.Open(t.Context(), config, "")
}

func requireInvalid(t *testing.T, config core.TopicConfig, says string) {
	t.Helper()
	_, _, err := openCompleted(t, config)
	var invalid *core.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Contains(t, invalid.Reason, says)
}

func TestAnEncodingThatIsNotUTF8IsRefused(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	database := "latin_" + strings.ToLower(randomLetters(6))
	execute(t, url, "create database "+database+" encoding 'LATIN1' locale 'C' template template0")
	t.Cleanup(func() { execute(t, url, "drop database "+database+" with (force)") })
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	requireInvalid(t, core.TopicConfig{Name: "orders", Connection: fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable",
		config.Host, config.Port, config.User, config.Password, database)}, "UTF8")
}

func TestAFormatOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	open(t, config)
	change(t, config, "update {head} set format = 99")
	requireInvalid(t, config, "newer")
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	for name, connection := range map[string]string{
		"no server":        "postgres://u:secret@127.0.0.1:1/db",
		"a wrong password": strings.Replace(url, ":secret@", ":wrong-secret@", 1),
		"no such database": url[:strings.LastIndex(url, "/")] + "/nowhere?sslmode=disable",
	} {
		_, _, err := openCompleted(t, core.TopicConfig{Name: "orders", Connection: connection, Schema: "never"})
		require.ErrorIs(t, err, core.ErrUnavailable, name)
		require.NotContains(t, err.Error(), "secret", name)
	}
}
