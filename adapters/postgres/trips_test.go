package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/servers"
)

func TestAColdPublishIsThreeRoundTrips(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	coretest.Append(t, open(t, config), coretest.Samples(0, 3)...)
	proxy, url := newProxy(t, config.Connection, false)
	config.Connection = url
	log := open(t, config)
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(10, 1000))
	require.NoError(t, log.Append(t.Context(), head, sealed))
	trips := proxy.taken()
	require.Len(t, trips, 3, "%q", trips)
	require.Contains(t, trips[2], "update", "the append is the last")
}

func TestAWarmCallIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	proxy, url := newProxy(t, config.Connection, false)
	config.Connection = url + "&pool_max_conns=1"
	log := open(t, config)
	coretest.Append(t, log, coretest.Sample(1000))
	calls := map[string]func(){
		"append": func() { coretest.Append(t, log, coretest.Sample(len(coretest.Lines(t, log, core.Query{})))) },
		"find":   func() { _, err := log.Find(t.Context(), []string{"id-1", "x"}); require.NoError(t, err) },
		"read": func() {
			coretest.Lines(t, log, core.Query{Limit: 1, Filter: core.Filter{{Types: []string{"A"}}, {Subjects: []string{"s"}, Tags: []string{"t"}}}})
		},
	}
	trips := map[string]int{"append": 2 + 2, "find": 1, "read": 2} // an append is preceded by a read of all and a head, a read by a head
	for name, call := range calls {
		for range 3 {
			call()
		}
		proxy.taken()
		call()
		taken := proxy.taken()
		require.Len(t, taken, trips[name], "%s took %q", name, taken)
		for _, trip := range taken {
			require.False(t, strings.HasPrefix(trip, "begin"), "no transaction is opened")
		}
	}
}

func TestDocumentsAreWrittenManyInOneRoundTrip(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	schema := newSchema(t, url)
	proxy, through := newProxy(t, url, false)
	documents := openDocuments(t, newTopics(t, postgres.Config{}), through, schema)
	put(t, documents, "first", "1", "")
	proxy.taken()
	var writes []core.Write
	for i := range 1000 {
		writes = append(writes, core.Write{Collection: "things", Key: string(rune('ℵ' + i)), Value: []byte("v")})
	}
	_, err := documents.Write(t.Context(), writes...)
	require.NoError(t, err)
	require.Len(t, proxy.taken(), 1)
}

func put(t *testing.T, documents core.Documents, key, value, expect string) string {
	t.Helper()
	versions, err := documents.Write(t.Context(), core.Write{Collection: "things", Key: key, Value: []byte(value), Expect: expect})
	require.NoError(t, err)
	return versions[0]
}

func TestBehindAPoolerNothingIsAskedOfASession(t *testing.T) {
	t.Parallel()
	t.Run("log", func(t *testing.T) {
		coretest.TestLog(t, func(t *testing.T) coretest.OpenLog {
			config := newConfig(t)
			_, config.Connection = newProxy(t, config.Connection, true)
			return func() core.Log { return open(t, config) }
		})
	})
	t.Run("documents", func(t *testing.T) {
		coretest.TestDocuments(t, func(t *testing.T) coretest.OpenDocuments {
			url := servers.Postgres(t)
			schema := newSchema(t, url)
			_, through := newProxy(t, url, true)
			return func() core.Documents { return openDocuments(t, newTopics(t, postgres.Config{}), through, schema) }
		})
	})
}

// A pooler may be told to ignore the settings of a session (ignore_startup_parameters); then what
// is prepared is lost at some later call, without effect.
func TestAPoolerThatHidesIsFoundOut(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	_, config.Connection = (&proxy{t: t, upstream: config.Connection, pooler: true, lenient: true}).listen()
	log := open(t, config)
	var want []core.Event
	for i := range 20 {
		want = append(want, coretest.Append(t, log, coretest.Samples(10*i, 2)...)...)
	}
	lines := coretest.Lines(t, log, core.Query{})
	require.Len(t, lines, 40)
	for i := range want {
		require.Equal(t, want[i].Line(), lines[i])
	}
}
