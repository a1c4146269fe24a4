// Package outcomes_test publishes with several processes of the built binary, from outside, while the connections
// to the storage are cut before and after the effects of its writes, and while the storage is restarted: whatever
// publishers were told is then held against what the topic has.
package outcomes_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/cutter"
	"eventstore/test/faults/report"
	"eventstore/test/servers"
)

const (
	processes  = 2
	publishers = 8
)

// storage is a server of a test's own.
type storage struct {
	adapter string
	start   func(t testing.TB) *servers.Server
	stops   []func(s *servers.Server, t testing.TB) // by turns; Azurite keeps nothing when it is killed
}

var storages = []storage{
	{"blob", servers.NewBlob, []func(*servers.Server, testing.TB){(*servers.Server).Stop}},
	{"postgres", servers.NewPostgres, []func(*servers.Server, testing.TB){(*servers.Server).Crash, (*servers.Server).Stop}},
}

func TestNothingAcknowledgedIsLostOrStoredTwice(t *testing.T) {
	t.Parallel()
	for _, storage := range storages {
		t.Run(storage.adapter, func(t *testing.T) {
			t.Parallel()
			server := storage.start(t)
			cuts := cutter.New(t, server.Host)
			cluster := launch(t, "TEST_DIRECT="+server.Address, "TEST_CUT="+strings.ReplaceAll(server.Address, server.Host, cuts.Host()))
			t.Run("connections are cut before and after the effect", func(t *testing.T) {
				load := publish(t, cluster, "cut connections", "cut", map[string]any{"adapter": storage.adapter, "connection": "%TEST_CUT%"})
				underCuts(t, load, cuts)
				load.settle(t, cuts.String()+" to the storage")
			})
			t.Run("publishers are cut off too", func(t *testing.T) {
				toStorage, toApp := cutter.New(t, server.Host), cutter.New(t, strings.TrimPrefix(cluster[1].URL, "http://"))
				cluster := []*app.Server{cluster[0], {URL: "http://" + toApp.Host()}}
				address := strings.ReplaceAll(server.Address, server.Host, toStorage.Host())
				load := publish(t, cluster, "cut connections", "cut-off", map[string]any{"adapter": storage.adapter, "connection": address})
				underCuts(t, load, toStorage, toApp)
				require.NotZero(t, load.ledger.Tally().Unknown)
				load.settle(t, toStorage.String()+" to the storage, "+toApp.String()+" to the app")
			})
			t.Run("the server restarts", func(t *testing.T) {
				load := publish(t, cluster, "restarted storage", "restarted", map[string]any{"adapter": storage.adapter, "connection": "%TEST_DIRECT%"})
				restarts := underRestarts(t, load, server, storage)
				load.settle(t, fmt.Sprintf("%d restarts", restarts))
			})
		})
	}
}

func launch(t *testing.T, settings ...string) (cluster []*app.Server) {
	t.Helper()
	settings = append(settings, "EVENTSTORE_STORE=fs:"+t.TempDir())
	for range processes {
		cluster = append(cluster, app.Local(t, settings...))
	}
	return cluster
}

// underCuts cuts for a while, after which publishing must go on by itself.
func underCuts(t *testing.T, load *load, cutters ...*cutter.Cutter) {
	t.Helper()
	lasting := time.Duration(report.Times(4, 180)) * time.Second
	load.awaitMore(t, 50)
	ctx, cancel := context.WithTimeout(t.Context(), lasting)
	defer cancel()
	var cutting sync.WaitGroup
	for i, c := range cutters {
		cutting.Go(func() { c.Cut(t, ctx, report.Random(t, fmt.Sprint(i))) })
	}
	cutting.Wait()
	for _, c := range cutters {
		load.ledger.Row.Inject(c.Before + c.After)
	}
	load.ledger.Row.Recover(func() { load.awaitMore(t, 50) })
}

// underRestarts restarts the server several times, after each of which publishing must go on by itself.
func underRestarts(t *testing.T, load *load, server *servers.Server, storage storage) (restarts int) {
	t.Helper()
	restarts = report.Times(len(storage.stops), 30)
	for i := range restarts {
		load.awaitMore(t, 50)
		load.ledger.Row.Inject(1)
		storage.stops[i%len(storage.stops)](server, t)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		load.ledger.Row.Recover(func() {
			server.Start(t)
			load.awaitMore(t, 1)
		})
	}
	load.awaitMore(t, 50)
	return restarts
}

// load publishes to a topic from many publishers over all processes until it is stopped.
type load struct {
	ledger  *app.Ledger
	cluster []*app.Server
	ended   chan struct{}
	running sync.WaitGroup
}

func publish(t *testing.T, cluster []*app.Server, class, topic string, registration map[string]any) *load {
	t.Helper()
	registration["name"] = topic
	cluster[0].CreateTopic(t, registration)
	l := &load{ledger: app.NewLedger(topic, 200), cluster: cluster, ended: make(chan struct{})}
	l.ledger.Row = report.Begin(t, class, registration["adapter"].(string))
	for i := range processes * publishers {
		l.running.Go(func() {
			for n := 0; !l.isEnded(); n++ {
				if l.ledger.Publish(t, cluster[i%processes], 1+(i+n)%3) != 201 {
					time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
				}
			}
		})
	}
	t.Cleanup(l.stop) // where the test has failed
	return l
}

func (l *load) isEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func (l *load) stop() {
	if !l.isEnded() {
		close(l.ended)
	}
	l.running.Wait()
}

// awaitMore waits until so many more requests were acknowledged.
func (l *load) awaitMore(t *testing.T, requests int) {
	t.Helper()
	before := l.ledger.Tally().Acknowledged
	require.Eventually(t, func() bool { return l.ledger.Tally().Acknowledged >= before+requests }, time.Minute, 10*time.Millisecond,
		"publishing does not go on: %+v", l.ledger.Tally())
}

// settle stops publishing, finds out about what is unknown, holds the topic against the ledger in each process, and
// tells the figures.
func (l *load) settle(t *testing.T, faults string) {
	t.Helper()
	l.stop()
	told := l.ledger.Tally()
	found, stored := l.ledger.Settle(t, l.cluster[0])
	for _, server := range l.cluster {
		require.Equal(t, l.ledger.Acknowledged(), l.ledger.Check(t, server))
	}
	t.Logf("%s; publishes tried %d, acknowledged %d, said not to be stored %d, unknown %d, of which %d were found stored and %d were not and are now; events lost 0, stored twice 0, out of order 0 of %d",
		faults, told.Tried, told.Acknowledged, told.Refused, told.Unknown, found, stored, l.ledger.Acknowledged())
}
