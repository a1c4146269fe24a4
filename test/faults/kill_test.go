// Package faults_test breaks the built binary from outside, while it writes and between its starts,
// and holds what it then has against what it had acknowledged.
package faults_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

// launch starts the binary on a store.
func launch(t *testing.T, store string) *app.Server {
	t.Helper()
	process := app.Launch(t, app.Staged(t), "EVENTSTORE_STORE=fs:"+store)
	t.Cleanup(process.Kill)
	process.AwaitReady(t)
	return &app.Server{URL: process.URL, Process: process}
}

func TestKill9AtRandomPointsLosesNothing(t *testing.T) {
	t.Parallel()
	kills := report.Times(100, 2000)
	store, random := t.TempDir(), report.Random(t)
	ledger := app.NewLedger("orders", 400)
	ledger.Row = report.Begin(t, "kill -9", "fs")
	launch(t, store).CreateTopic(t, map[string]any{"name": "orders"})
	for cycle := range kills {
		publishUntilKilled(t, store, ledger, random)
		if cycle%10 == 9 {
			ledger.Check(t, launch(t, store))
		}
	}
	server := launch(t, store)
	stored := ledger.Check(t, server)
	ledger.Settle(t, server)
	require.Equal(t, ledger.Acknowledged(), ledger.Check(t, server))
	t.Logf("kills %d, events acknowledged %d, stored %d, lost 0", kills, ledger.Acknowledged(), stored)
	require.Greater(t, ledger.Acknowledged(), kills)
}

// publishUntilKilled starts the server, by itself, with what the last one left, and has eight publishers publish requests of one
// to five events until it is killed under them, a few milliseconds after the first was acknowledged.
func publishUntilKilled(t *testing.T, store string, ledger *app.Ledger, random *rand.Rand) {
	t.Helper()
	var server *app.Server
	ledger.Row.Recover(func() {
		server = launch(t, store)
		require.Equal(t, 201, ledger.Publish(t, server, 1))
	})
	var publishers sync.WaitGroup
	for i := range 8 {
		first := random.IntN(5)
		publishers.Go(func() {
			for n := first; ledger.Publish(t, server, 1+(n+i)%5) != 0; n++ {
			}
		})
	}
	time.Sleep(time.Duration(1+random.IntN(40)) * time.Millisecond) // the moment of the kill is what varies
	server.Process.Kill()
	publishers.Wait()
	ledger.Row.Inject(1)
}
