// Package faults_test breaks the built binary from outside, while it writes and between its starts,
// and holds what it then has against what it had acknowledged.
package faults_test

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// launch starts the binary on a store.
func launch(t *testing.T, store string) *app.Server {
	t.Helper()
	process := app.Launch(t, app.Staged(t), "EVENTSTORE_STORE=fs:"+store)
	t.Cleanup(process.Kill)
	process.AwaitReady(t)
	return &app.Server{URL: process.URL, Process: process}
}

// long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }

func TestKill9AtRandomPointsLosesNothing(t *testing.T) {
	t.Parallel()
	kills := 100
	if long() {
		kills = 2000
	}
	store := t.TempDir()
	ledger := app.NewLedger("orders", 400)
	launch(t, store).CreateTopic(t, map[string]any{"name": "orders"})
	for cycle := range kills {
		server := launch(t, store) // by itself, with what the last one left
		publishUntilKilled(t, server, ledger)
		if cycle%10 == 9 {
			ledger.Check(t, launch(t, store))
		}
	}
	stored := ledger.Check(t, launch(t, store))
	t.Logf("kills %d, events acknowledged %d, stored %d, lost 0", kills, ledger.Acknowledged(), stored)
	require.Greater(t, ledger.Acknowledged(), kills)
}

// publishUntilKilled has eight publishers publish requests of one to five events until the server is
// killed under them, a few milliseconds after the first was acknowledged.
func publishUntilKilled(t *testing.T, server *app.Server, ledger *app.Ledger) {
	t.Helper()
	require.Equal(t, 201, ledger.Publish(t, server, 1))
	var publishers sync.WaitGroup
	for range 8 {
		publishers.Go(func() {
			for ledger.Publish(t, server, 1+rand.IntN(5)) != 0 {
			}
		})
	}
	time.Sleep(time.Duration(1+rand.IntN(40)) * time.Millisecond)
	server.Process.Kill()
	publishers.Wait()
}
