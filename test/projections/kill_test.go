package projections_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

// status is what the test looks at of GET /projections/{name}.
type status struct {
	State    string
	Version  int
	Previous int
	Digest   string
	Rebuild  *struct{ Version int }
}

// The binary is killed while it rebuilds, over and over; the rebuild ends, readers see all documents at every moment in between, and a
// rollback brings the old answers back.
func TestARebuildOutlivesKills(t *testing.T) {
	t.Parallel()
	const documents = 50
	events, kills := 4_000, 5
	if long() {
		events, kills = 100_000, 20
	}
	settings := []string{"EVENTSTORE_STORE=fs:" + t.TempDir()}
	server := app.Local(t, settings...)
	server.CreateTopic(t, map[string]any{"name": "orders"})
	put(t, server, "old", 201)
	publishOrders(t, server, events, documents)
	before := await(t, server, func(s status) bool { return s.State == "running" && marks(t, server, events)["old"] == documents })
	put(t, server, "new", 200)
	row := report.Begin(t, "kills during a rebuild", "fs")
	row.Acknowledge(events)
	for range kills {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // the moment of the kill is what varies
		server.Process.Kill()
		row.Inject(1)
		var seen map[string]int
		row.Recover(func() {
			server = app.Local(t, settings...)
			seen = marks(t, server, 0)
		})
		require.True(t, seen["old"] == documents && len(seen) == 1 || seen["new"] == documents && len(seen) == 1, "a reader saw %v", seen)
	}
	after := await(t, server, func(s status) bool { return s.Rebuild == nil })
	require.Equal(t, map[string]int{"new": documents}, marks(t, server, events))
	require.Equal(t, before.Version, after.Previous)
	answer := server.Do(t, "POST", "/projections/marks/rollback", fmt.Sprintf(`{"to":%d}`, after.Previous), "Content-Type", "application/json")
	require.Equal(t, 200, answer.Status, answer.Body)
	require.Equal(t, map[string]int{"old": documents}, marks(t, server, events))
}

func put(t *testing.T, server *app.Server, mark string, want int) {
	t.Helper()
	source := fmt.Sprintf(`({ key: e => e.subject, on: { Add: (doc, e) => ({ mark: %q, n: (doc?.n ?? 0) + 1 }) } })`, mark)
	body, err := json.Marshal(map[string]any{"topics": []string{"orders"}, "source": source})
	require.NoError(t, err)
	answer := server.Do(t, "PUT", "/projections/marks", body, "Content-Type", "application/json")
	require.Equal(t, want, answer.Status, answer.Body)
}

func publishOrders(t *testing.T, server *app.Server, events, documents int) {
	t.Helper()
	for first := 0; first < events; first += 1000 {
		var body strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&body, "%c{\"type\":\"Add\",\"subject\":\"order-%d\"}", "[,"[min(i, 1)], (first+i)%documents)
		}
		answer := server.Do(t, "POST", "/topics/orders/events", body.String()+"]", "Content-Type", "application/json")
		require.Equal(t, 201, answer.Status, answer.Body)
	}
}

// marks counts the documents by what they say of who made them.
func marks(t *testing.T, server *app.Server, atLeast int) map[string]int {
	t.Helper()
	answer := server.Do(t, "GET", fmt.Sprintf("/projections/marks/documents?limit=1000&at-least=%d&wait=60", atLeast), nil)
	require.Equal(t, 200, answer.Status, answer.Body)
	var page struct {
		Documents []struct {
			Value struct{ Mark string }
		}
	}
	answer.JSON(t, &page)
	seen := map[string]int{}
	for _, d := range page.Documents {
		seen[d.Value.Mark]++
	}
	return seen
}

// await waits until the projection is as wanted.
func await(t *testing.T, server *app.Server, wanted func(status) bool) (s status) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
		answer := server.Do(t, "GET", "/projections/marks", nil)
		require.Equal(t, 200, answer.Status, answer.Body)
		if s = (status{}); app.Decode([]byte(answer.Body), &s) == nil && wanted(s) {
			return s
		}
	}
	t.Fatalf("it does not come to that: %+v", s)
	return s
}
