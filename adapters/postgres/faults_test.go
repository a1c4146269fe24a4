package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/faults/report"
	"eventstore/test/servers"
)

// wire is a network to a server that can be cut, before or behind it.
type wire struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
	url   string
}

func newWire(t testing.TB, url string) *wire {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	host := net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", host)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return &wire{t, proxy, strings.Replace(url, host, proxy.Listen, 1)}
}

// cut drops what goes in a direction ("upstream" is to the server), and then the connection.
func (w *wire) cut(direction string) {
	w.t.Helper()
	_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(
		`{"name":"cut","type":"timeout","stream":"` + direction + `","attributes":{"timeout":50}}`))
	require.NoError(w.t, err)
}

func (w *wire) mend() {
	w.t.Helper()
	require.NoError(w.t, w.proxy.Toxics.RemoveToxic(context.Background(), "cut"))
}

// A statement that never arrives and one whose answer is lost look the same to who sent it;
// reading back tells which it was.
func TestAnAppendWhoseAnswerIsLostIsFoundByReadingBack(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	direct := open(t, config)
	wire := newWire(t, config.Connection)
	config.Connection = wire.url
	log := open(t, config)
	head, kept, dropped := core.Head{}, 0, 0
	row := report.Begin(t, "ambiguous commits", "postgres")
	for i := range 30 {
		sealed, next := core.Seal(head, coretest.Start, coretest.Samples(i*10, 1+i%3))
		coretest.Lines(t, log, core.Query{Limit: 1}) // there is a live connection
		wire.cut([]string{"upstream", "downstream"}[i%2])
		err := log.Append(t.Context(), head, sealed)
		wire.mend()
		require.ErrorIs(t, err, core.ErrUnknown)
		now := headSoon(t, direct, next, i%2 == 1)
		if now.Hash == next.Hash {
			kept++
			require.ErrorIs(t, appendWhenMended(t, log, head, sealed), core.ErrConflict)
		} else {
			dropped++
			require.Equal(t, head.Position, now.Position)
			require.NoError(t, appendWhenMended(t, log, head, sealed))
		}
		head = next
	}
	requireOnce(t, direct, int(head.Position))
	row.Inject(kept + dropped)
	row.Acknowledge(int(head.Position))
	row.Resolve(kept+dropped, kept+dropped)
	require.True(t, kept > 0 && dropped >= 15, "%d kept, %d dropped", kept, dropped)
	t.Logf("%d answers lost, %d statements lost, all found out", kept, dropped)
}

// headSoon is a log's head. A statement whose answer was cut may still be running: where it is sure to have
// arrived, its effect is waited for.
func headSoon(t *testing.T, log core.Log, want core.Head, arrived bool) core.Head {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now, err := log.Head(t.Context())
		require.NoError(t, err)
		if !arrived || now.Hash == want.Hash || time.Now().After(deadline) {
			return now
		}
	}
}

// appendWhenMended appends on a connection that is whole again: those in the pool may be cut
// still, which is found out when they are used.
func appendWhenMended(t *testing.T, log core.Log, head core.Head, sealed []core.Event) error {
	t.Helper()
	_, err := log.Head(t.Context()) // a read is tried again by itself
	require.NoError(t, err)
	return log.Append(t.Context(), head, sealed)
}

// requireOnce holds a log of n events against the chain, and every id against all others.
func requireOnce(t *testing.T, log core.Log, n int) {
	t.Helper()
	chain, ids := core.NewChain(core.Hash{}), map[string]bool{}
	for e, err := range log.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		require.NoError(t, chain.NextEvent(&e))
		require.False(t, ids[e.ID], "%s is there twice", e.ID)
		ids[e.ID] = true
	}
	require.Len(t, ids, n)
}

func TestNothingIsSentWhereThereIsNoConnection(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	wire := newWire(t, config.Connection)
	config.Connection = wire.url
	log := open(t, config)
	wire.proxy.Stop()
	sealed, _ := core.Seal(core.Head{}, coretest.Start, coretest.Samples(0, 1))
	_, err := log.Head(t.Context())
	require.ErrorIs(t, err, core.ErrUnavailable)
	err = log.Append(t.Context(), core.Head{}, sealed)
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.NotErrorIs(t, err, core.ErrUnknown)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, log.Append(ctx, core.Head{}, sealed), core.ErrUnavailable)
}

func TestADocumentWhoseAnswerIsLostIsReadBackByTheAdapter(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	schema := newSchema(t, url)
	direct := openDocuments(t, newTopics(t, postgres.Config{}), url, schema)
	wire := newWire(t, url)
	documents := openDocuments(t, newTopics(t, postgres.Config{}), wire.url, schema)
	version := put(t, documents, "counter", "0", "")
	for i := range 12 {
		wire.cut([]string{"upstream", "downstream"}[i%2])
		mended := time.AfterFunc(120*time.Millisecond, wire.mend)
		version = put(t, documents, "counter", fmt.Sprint(i), version)
		require.False(t, mended.Stop(), "the cut was met")
		got, err := direct.Get(t.Context(), "things", "counter")
		require.NoError(t, err)
		require.Equal(t, version, got.Version)
		require.Equal(t, fmt.Sprint(i), string(got.Value))
	}
	wire.cut("downstream")
	time.AfterFunc(120*time.Millisecond, wire.mend)
	_, err := documents.Write(t.Context(), core.Write{Collection: "things", Key: "counter", Expect: version})
	require.NoError(t, err, "a deletion too")
	_, err = direct.Get(t.Context(), "things", "counter")
	require.ErrorIs(t, err, core.ErrNotFound)
}

func TestADocumentThatIsReplacedBeforeItIsReadBackIsUnknown(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t)
	schema := newSchema(t, url)
	direct := openDocuments(t, newTopics(t, postgres.Config{}), url, schema)
	wire := newWire(t, url)
	documents := openDocuments(t, newTopics(t, postgres.Config{}), wire.url, schema)
	put(t, documents, "other", "0", "")
	wire.cut("downstream")
	writing := make(chan error)
	go func() {
		_, err := documents.Write(t.Context(), core.Write{Collection: "things", Key: "a", Value: []byte("mine")})
		writing <- err
	}()
	var mine core.Document
	require.Eventually(t, func() (found bool) {
		var err error
		mine, err = direct.Get(t.Context(), "things", "a")
		return err == nil
	}, 10*time.Second, time.Millisecond)
	put(t, direct, "a", "theirs", mine.Version)
	wire.mend()
	require.ErrorIs(t, <-writing, core.ErrUnknown, "it was made, and can't be told from one that was refused")
}

// Writers go on over a server that crashes again and again, as commands does it: an unknown
// outcome is resolved by reading back.
func TestAServerThatCrashesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	server := servers.NewPostgres(t)
	config := core.TopicConfig{Name: "orders", Connection: server.Address}
	first := open(t, config)
	ended := make(chan struct{})
	var writers sync.WaitGroup
	counts := make([]counts, 4)
	row := report.Begin(t, "crashed server", "postgres")
	for i := range counts {
		log := open(t, config)
		writers.Go(func() { counts[i] = appendUntil(t, log, fmt.Sprintf("w%d", i), ended) })
	}
	for range report.Times(3, 60) {
		before, err := first.Head(t.Context())
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			head, err := first.Head(t.Context())
			return err == nil && head.Position > before.Position+20
		}, 30*time.Second, 10*time.Millisecond, "publishing goes on by itself")
		server.Crash(t)
		row.Inject(1)
		row.Recover(func() {
			server.Start(t)
			require.Eventually(t, func() bool { _, err := first.Head(t.Context()); return err == nil }, 30*time.Second, 10*time.Millisecond)
		})
	}
	close(ended)
	writers.Wait()
	total := 0
	for _, c := range counts {
		total += c.kept
		row.Resolve(c.unknown, c.unknown)
		t.Logf("%+v", c)
	}
	row.Acknowledge(total)
	requireOnce(t, first, total)
}

type counts struct{ kept, conflicts, unavailable, unknown, found int }

// appendUntil appends one event after the other until it is told to end; the last is kept too.
func appendUntil(t *testing.T, log core.Log, name string, ended <-chan struct{}) (c counts) {
	for i := 0; ; i++ {
		select {
		case <-ended:
			return c
		default:
		}
		e := coretest.Sample(i)
		e.ID = fmt.Sprintf("%s-%d", name, i)
		for !appendOne(t, log, e, &c) {
		}
		c.kept++
	}
}

// appendOne tries once, and reports whether the event is kept.
func appendOne(t *testing.T, log core.Log, e core.Event, c *counts) bool {
	found, err := log.Find(t.Context(), []string{e.ID})
	if err != nil {
		c.unavailable++
		return false
	}
	if len(found) > 0 { // by a try whose outcome was unknown
		c.found++
		return true
	}
	head, err := log.Head(t.Context())
	if err != nil {
		c.unavailable++
		return false
	}
	sealed, _ := core.Seal(head, coretest.Start, []core.Event{e})
	switch err := log.Append(t.Context(), head, sealed); {
	case err == nil:
		return true
	case errors.Is(err, core.ErrUnknown):
		c.unknown++
	case errors.Is(err, core.ErrConflict):
		c.conflicts++
	case errors.Is(err, core.ErrUnavailable):
		c.unavailable++
	default:
		t.Errorf("got %v", err)
	}
	return false
}

func TestSessionsThatEndDuringAppendsLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	first := open(t, config)
	name := "test" + randomLetters(12)
	config.Connection += "&application_name=" + name
	ended := make(chan struct{})
	var writers sync.WaitGroup
	counts := make([]counts, 3)
	for i := range counts {
		log := open(t, config)
		writers.Go(func() { counts[i] = appendUntil(t, log, fmt.Sprintf("w%d", i), ended) })
	}
	row := report.Begin(t, "ended sessions", "postgres")
	for range report.Times(25, 500) {
		time.Sleep(20 * time.Millisecond)
		row.Inject(1)
		execute(t, servers.Postgres(t), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", name)
	}
	close(ended)
	writers.Wait()
	total, failed := 0, 0
	for _, c := range counts {
		total, failed = total+c.kept, failed+c.unavailable+c.unknown
		t.Logf("%+v", c)
	}
	require.Positive(t, failed, "sessions were ended under the writers")
	row.Acknowledge(total)
	requireOnce(t, first, total)
}
