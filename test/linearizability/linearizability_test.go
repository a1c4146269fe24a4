package linearizability

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/cutter"
	"eventstore/test/faults/report"
	"eventstore/test/servers"
)

const (
	clients   = 8
	processes = 3
	// patience bounds the search for an order. One that takes longer is undecided, which fails the test.
	patience = 2 * time.Minute
)

// Eight clients, three processes and four storages, in health and under faults: processes that are killed and connections, to the storage
// and from the clients, that are cut.
func TestEveryHistoryIsLinearizable(t *testing.T) {
	t.Parallel()
	for _, storage := range app.Storages() {
		t.Run(storage.Adapter, func(t *testing.T) {
			t.Parallel()
			c := start(t, storage)
			for i := range report.Times(1, 50) {
				c.history(t, fmt.Sprintf("healthy-%d", i), false)
				c.history(t, fmt.Sprintf("faulty-%d", i), true)
			}
		})
	}
}

// cluster is some processes over one store, each behind a proxy, and a proxy before the storage where it is a server.
type cluster struct {
	t        testing.TB // of all histories
	storage  app.Storage
	settings []string
	config   map[string]any
	store    string
	web      *web
	fronts   []*cutter.Cutter
	back     *cutter.Cutter
}

func start(t *testing.T, storage app.Storage) *cluster {
	t.Helper()
	c := &cluster{t: t, storage: storage, store: "EVENTSTORE_STORE=fs:" + t.TempDir(), web: &web{t: t}}
	c.settings, c.config = storage.Make(t)
	c.cutStorage(t)
	n := processes
	if storage.Adapter == "memory" {
		n = 1 // it is of one process
	}
	for range n {
		server := c.launch(t)
		front := cutter.New(t, strings.TrimPrefix(server.URL, "http://"))
		c.fronts = append(c.fronts, front)
		c.web.servers = append(c.web.servers, &app.Server{URL: "http://" + front.Host(), Process: server.Process})
	}
	return c
}

// cutStorage leads what goes to a storage's server through a proxy.
func (c *cluster) cutStorage(t *testing.T) {
	for i, setting := range c.settings {
		name, address, _ := strings.Cut(setting, "=")
		if name == "EVENTSTORE_FS_ROOTS" {
			continue
		}
		host := servers.HostOf(address)
		c.back = cutter.New(t, host)
		c.settings[i] = name + "=" + strings.ReplaceAll(address, host, c.back.Host())
	}
}

func (c *cluster) launch(t testing.TB) *app.Server {
	t.Helper()
	return app.Local(t, append([]string{c.store}, c.settings...)...)
}

// history records one on a topic of its own, and holds it against the model.
func (c *cluster) history(t *testing.T, name string, faulty bool) {
	t.Helper()
	class := "linearizability"
	if faulty {
		class = "linearizability under faults"
	}
	t.Run(name, func(t *testing.T) {
		row := report.Begin(t, class, c.storage.Adapter)
		c.web.name, c.web.t = name, t
		c.create(t, name)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var breaking sync.WaitGroup
		if faulty {
			c.faults(t, ctx, &breaking, row)
		}
		h := record(c.web, clients, report.Times(25, 60), func(client int) *rand.Rand { return report.Random(t, fmt.Sprint(client)) })
		cancel()
		breaking.Wait()
		h.last(c.web)
		result := h.check(patience)
		judge(row, h, result, faulty)
		if result != porcupine.Ok {
			h.dump(t)
		}
		require.Equal(t, porcupine.Ok, result)
		require.NotZero(t, h.stored, "nothing was published")
	})
}

// create makes the history's topic, in a place of its own where a storage has several.
func (c *cluster) create(t *testing.T, name string) {
	t.Helper()
	config := map[string]any{"name": name}
	for key, value := range c.config {
		config[key] = value
	}
	switch c.storage.Adapter {
	case "fs":
		config["connection"] = fmt.Sprint(config["connection"], "-", name)
	case "blob":
		config["options"] = map[string]string{"container": config["options"].(map[string]string)["container"], "prefix": name}
	}
	c.web.server(0).CreateTopic(t, config)
}

// faults kills processes and cuts connections until the context ends.
func (c *cluster) faults(t *testing.T, ctx context.Context, breaking *sync.WaitGroup, row *report.Row) {
	cutters := c.fronts
	if c.back != nil {
		cutters = append(append([]*cutter.Cutter(nil), c.fronts...), c.back)
	}
	for i, cut := range cutters {
		random := report.Random(t, "cutter", fmt.Sprint(i))
		before := cut.Before + cut.After
		cut.Pause = 150 * time.Millisecond // so that some get through
		breaking.Go(func() {
			cut.Cut(t, ctx, random)
			row.Inject(cut.Before + cut.After - before)
		})
	}
	if c.storage.Adapter == "memory" {
		return // a kill takes its events, as is said of it
	}
	random := report.Random(t, "killer")
	breaking.Go(func() { c.kill(t, ctx, random, row) })
}

// kill kills the last process, and starts another in its place.
func (c *cluster) kill(t *testing.T, ctx context.Context, random *rand.Rand, row *report.Row) {
	last := len(c.fronts) - 1
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(200+random.IntN(600)) * time.Millisecond):
		}
		c.web.server(last).Process.Kill()
		row.Inject(1)
		row.Recover(func() { c.web.replace(last, c.launch(c.t)) })
	}
}

// judge counts the history in its row. A history in health counts as one fault: that of its clients' racing.
func judge(row *report.Row, h *history, result porcupine.CheckResult, faulty bool) {
	if !faulty {
		row.Inject(1)
	}
	row.Acknowledge(h.stored)
	row.Count("histories", 1)
	row.Count("operations", len(h.operations))
	row.Count("unknown", h.unknown)
	for figure, is := range map[string]porcupine.CheckResult{"illegal": porcupine.Illegal, "undecided": porcupine.Unknown} {
		n := 0
		if result == is {
			n = 1
		}
		row.Count(figure, n)
	}
}

// dump tells a history that is not linearizable.
func (h *history) dump(t *testing.T) {
	t.Helper()
	for _, o := range h.operations {
		t.Logf("client %d, %d to %d: %s", o.ClientId, o.Call, o.Return, describe(o.Input, o.Output))
	}
}
