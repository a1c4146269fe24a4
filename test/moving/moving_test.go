// Package moving_test moves a topic from storage to storage, from outside, while several processes of the
// built binary publish to it.
package moving_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
	"eventstore/test/servers"
)

const (
	processes  = 4
	publishers = 32
	topic      = "orders"
)

// long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }

// route visits the storages, in the long form so that each follows each other one.
func route() []string {
	if long() {
		return []string{"fs", "blob", "postgres", "fs", "postgres", "blob", "fs"}
	}
	return []string{"fs", "blob", "postgres", "fs"}
}

// place is a storage of its own for one stop of the route.
func place(t *testing.T, adapter string, stop int) map[string]any {
	t.Helper()
	name := fmt.Sprintf("moving-%d-%d", os.Getpid(), stop)
	switch adapter {
	case "fs":
		return map[string]any{"adapter": "fs", "connection": filepath.Join(t.TempDir(), name), "options": map[string]string{"createDirIfNotExist": "true"}}
	case "blob":
		return map[string]any{"adapter": "blob", "connection": servers.Blob(t), "options": map[string]string{"container": name}}
	default:
		return map[string]any{"adapter": "postgres", "connection": servers.Postgres(t), "table": strings.ReplaceAll(name, "-", "_")}
	}
}

func TestATopicMovesBetweenAllStoragesWhileItIsPublishedTo(t *testing.T) {
	route, store := route(), "EVENTSTORE_STORE=fs:"+t.TempDir()
	var cluster []*app.Server
	for range processes {
		cluster = append(cluster, app.Local(t, store))
	}
	config := place(t, route[0], 0)
	config["name"] = topic
	cluster[0].CreateTopic(t, config)

	load := publish(t, cluster)
	load.ledger.Row = report.Begin(t, "moves that are killed", "fs, blob, postgres")
	for stop, adapter := range route[1:] {
		load.awaitMore(t, 200)
		to := place(t, adapter, stop+1)
		kills := move(t, store, to)
		load.ledger.Row.Inject(1 + kills)
		load.ledger.Row.Recover(func() { load.awaitMore(t, 200) })
		t.Logf("%s to %s: the move was killed %d times; the slowest publish so far took %s", route[stop], adapter, kills, load.slowest())
	}
	load.stop()
	require.Zero(t, load.refused.Load(), "publishes were refused")
	for _, server := range cluster {
		require.Equal(t, load.ledger.Acknowledged(), load.ledger.Check(t, server))
	}
	t.Logf("processes %d, publishers %d, moves %d, events acknowledged and stored once, in one order: %d, refused %d, slowest publish %s",
		processes, publishers, len(route)-1, load.ledger.Acknowledged(), load.refused.Load(), load.slowest())
}

// move runs the command until it succeeds, and kills it a few times on the way.
func move(t *testing.T, store string, to map[string]any) (kills int) {
	t.Helper()
	config, err := json.Marshal(to)
	require.NoError(t, err)
	command := []string{filepath.Join(app.Staged(t), "handler"), "move", topic, "--to", string(config)}
	most := 1
	if long() {
		most = 20
	}
	for {
		p := app.LaunchWith(t, command, store, "EVENTSTORE_LOG=error")
		if kills < most {
			time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		}
		if kills < most && !p.Ended() {
			p.Kill()
			kills++
			continue
		}
		require.Eventually(t, p.Ended, 10*time.Minute, 10*time.Millisecond, "the move does not end") // it copies all, on however busy a machine
		code := p.Wait(t)
		require.Zero(t, code, p.Output())
		require.Contains(t, p.Output(), "publishing waited")
		t.Log(strings.TrimSpace(p.Output()))
		return kills
	}
}

// load publishes until it is stopped.
type load struct {
	ledger  *app.Ledger
	refused atomic.Int64
	longest atomic.Int64 // nanoseconds
	ended   chan struct{}
	running sync.WaitGroup
}

func publish(t *testing.T, cluster []*app.Server) *load {
	l := &load{ledger: app.NewLedger(topic, 200), ended: make(chan struct{})}
	for i := range publishers {
		l.running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.ended:
					return
				case <-time.After(time.Duration(rand.IntN(40)) * time.Millisecond): // a load, not a flood
					l.one(t, cluster[i%len(cluster)], 1+n%3)
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) one(t *testing.T, server *app.Server, events int) {
	began := time.Now()
	if status := l.ledger.Publish(t, server, events); status != 201 {
		l.refused.Add(1)
		t.Logf("a publish was answered with %d", status)
	}
	took := int64(time.Since(began))
	for was := l.longest.Load(); took > was && !l.longest.CompareAndSwap(was, took); was = l.longest.Load() {
	}
}

func (l *load) slowest() time.Duration {
	return time.Duration(l.longest.Load()).Round(time.Millisecond)
}

func (l *load) stop() {
	select {
	case <-l.ended:
	default:
		close(l.ended)
	}
	l.running.Wait()
}

// awaitMore waits until so many more events were acknowledged.
func (l *load) awaitMore(t *testing.T, events int) {
	t.Helper()
	want := l.ledger.Acknowledged() + events
	require.Eventually(t, func() bool { return l.ledger.Acknowledged() >= want }, 60*time.Second, 10*time.Millisecond, "publishing stands still")
}
