package projections_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/servers"
)

// What was published on one instance is in what another answers to a reader who asks for it, on each kind of storage. In memory they are one.
func TestReadersGetWhatWasPublishedElsewhere(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		rounds := 100
		switch {
		case long():
			rounds = 1_000
		case kind == "blob": // each round is some dozen requests of Azurite, which takes a processor for itself
			rounds = 30
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			publisher, reader := twoInstances(t, kind)
			publisher.CreateTopic(t, map[string]any{"name": "orders"})
			put(t, publisher, "mine", 201)
			var longest time.Duration
			for round := 1; round <= rounds; round++ {
				published := publisher.Do(t, "POST", "/topics/orders/events", `{"type":"Add","subject":"order-1"}`, "Content-Type", "application/json")
				require.Equal(t, 201, published.Status, published.Body)
				begun := time.Now()
				read := reader.Do(t, "GET", fmt.Sprintf("/projections/marks/documents?key=order-1&at-least=%d&wait=60", round), nil)
				longest = max(longest, time.Since(begun))
				require.Equal(t, 200, read.Status, read.Body)
				require.JSONEq(t, fmt.Sprintf(`{"mark":"mine","n":%d}`, round), read.Body)
				require.Equal(t, fmt.Sprintf("orders:%d", round), read.Header.Get("Projection-Position"))
			}
			t.Logf("%d rounds, none stale; the longest wait was %v", rounds, longest)
		})
	}
}

// twoInstances are two processes over the same storage, but in memory one.
func twoInstances(t *testing.T, kind string) (a, b *app.Server) {
	within := "test-" + strings.ToLower(rand.Text()[:16])
	var settings []string
	switch kind {
	case "memory":
		one := app.Local(t, "EVENTSTORE_STORE=memory:")
		return one, one
	case "fs":
		settings = []string{"EVENTSTORE_STORE=fs:" + t.TempDir()}
	case "blob":
		settings = []string{"EVENTSTORE_STORE=blob:" + within, "AzureWebJobsStorage=" + servers.Blob(t)}
	case "postgres":
		settings = []string{"EVENTSTORE_STORE=" + servers.NewPostgres(t).Address}
	}
	return app.Local(t, settings...), app.Local(t, settings...)
}
