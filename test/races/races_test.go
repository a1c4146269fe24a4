// Package races_test lets several processes of the built binary publish to one topic at once, from
// outside.
package races_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

const (
	processes  = 4
	publishers = 64
)

// everywhere runs a test with four processes on one store, and one topic of each kind of storage that
// processes share.
//
// share is the part of a test's usual size that this storage gets in a short run: processes that race on Azurite
// conflict at nearly every append.
func everywhere(t *testing.T, class string, test func(t *testing.T, row *report.Row, servers []*app.Server, share func(n int) int)) {
	t.Parallel()
	for _, storage := range app.Storages() {
		if storage.Adapter == "memory" {
			continue // it is of one process
		}
		t.Run(storage.Adapter, func(t *testing.T) {
			t.Parallel()
			settings, registration := storage.Make(t)
			settings = append(settings, "EVENTSTORE_STORE=fs:"+t.TempDir())
			var servers []*app.Server
			for range processes {
				servers = append(servers, app.Local(t, settings...))
			}
			registration["name"] = "orders"
			servers[0].CreateTopic(t, registration)
			test(t, report.Begin(t, class, storage.Adapter), servers, func(n int) int {
				if storage.Adapter == "blob" && !report.Long() {
					return n / 10
				}
				return n
			})
		})
	}
}

// together runs one function in so many goroutines, which begin at once.
func together(n int, run func(i int)) {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-begin
			run(i)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
}

func TestManyPublishersInManyProcessesKeepOneOrder(t *testing.T) {
	everywhere(t, "racing writers", func(t *testing.T, row *report.Row, servers []*app.Server, share func(int) int) {
		each := report.Times(30, 500)
		ledger := app.NewLedger("orders", 200)
		ledger.Row = row
		row.Inject(publishers) // each races all others
		together(publishers, func(i int) {
			for n := range share(each) {
				if status := ledger.Publish(t, servers[i%processes], 1+(i+n)%3); status != 201 {
					t.Errorf("publisher %d was answered with %d", i, status)
				}
			}
		})
		stored := 0
		for _, server := range servers {
			stored = ledger.Check(t, server)
		}
		require.Equal(t, ledger.Acknowledged(), stored)
		t.Logf("processes %d, publishers %d, events acknowledged and stored once, in one order: %d", processes, publishers, stored)
	})
}

// stored is what a publish answers for one event.
type stored struct {
	ID        string
	Position  int64
	Duplicate bool
}

// publish publishes one event and returns its place.
func publish(t *testing.T, server *app.Server, body string, header ...string) (status int, place stored) {
	answer, err := app.Send(server.Request(t, "POST", "/topics/orders/events", body, append(header, "Content-Type", "application/json")...))
	if err != nil {
		t.Error(err)
		return 0, place
	}
	var result struct{ Events []stored }
	if answer.Status < 300 {
		if err := app.Decode([]byte(answer.Body), &result); err != nil || len(result.Events) != 1 {
			t.Errorf("the answer %s: %v", answer.Body, err)
			return answer.Status, place
		}
		place = result.Events[0]
	}
	return answer.Status, place
}

func TestAnIDRepeatedFromEverywhereIsStoredOnce(t *testing.T) {
	everywhere(t, "repeated ids", func(t *testing.T, row *report.Row, servers []*app.Server, share func(int) int) {
		ids := share(100)
		var mu sync.Mutex
		places := map[string]int64{}
		firsts := map[string]int{}
		together(16, func(i int) {
			for n := range ids {
				id := fmt.Sprintf("id-%d", n)
				status, place := publish(t, servers[i%processes], fmt.Sprintf(`{"id":%q,"type":"Once","data":%d}`, id, n))
				mu.Lock()
				if known, seen := places[id]; seen && known != place.Position {
					t.Errorf("%s was acknowledged at %d and at %d", id, known, place.Position)
				}
				places[id] = place.Position
				if status == 201 {
					firsts[id]++
				}
				if (status == 201) == place.Duplicate || status != 200 && status != 201 {
					t.Errorf("%s: status %d, duplicate %v", id, status, place.Duplicate)
				}
				mu.Unlock()
			}
		})
		row.Inject(16 * ids)
		row.Acknowledge(ids)
		require.Len(t, firsts, ids)
		for id, n := range firsts {
			require.Equal(t, 1, n, "%s was new to %d publishers", id, n)
		}
		answer := servers[0].Do(t, "GET", "/topics/orders/events?limit=10000", nil)
		require.Equal(t, ids, strings.Count(answer.Body, `"type":"Once"`))
	})
}

// Of eight publishers with the same condition, two in each process, exactly one wins each round.
func TestOfRacingPublishesWithOneConditionOneWins(t *testing.T) {
	everywhere(t, "racing conditions", func(t *testing.T, row *report.Row, servers []*app.Server, share func(int) int) {
		rounds := report.Times(150, 1000)
		for round := range share(rounds) {
			body, header := condition(round)
			var mu sync.Mutex
			statuses := map[int]int{}
			together(2*processes, func(i int) {
				status, _ := publish(t, servers[i%processes], fmt.Sprintf(body, i), header...)
				mu.Lock()
				defer mu.Unlock()
				statuses[status]++
			})
			require.Equal(t, map[int]int{201: 1, 412: 2*processes - 1}, statuses, "round %d", round)
		}
		var page struct{ Events []jsontext.Value }
		servers[0].Do(t, "GET", "/topics/orders/events?limit=10000", nil).JSON(t, &page)
		row.Inject(share(rounds))
		row.Acknowledge(len(page.Events))
		require.Len(t, page.Events, share(rounds))
		t.Logf("rounds %d with %d racers, winners %d", share(rounds), 2*processes, len(page.Events))
	})
}

// condition is a round's: by turns the head, a new subject, and a tag that nobody has since.
func condition(round int) (body string, header []string) {
	switch round % 3 {
	case 0:
		return `{"type":"Won","data":%d}`, []string{"If-Match", fmt.Sprintf(`"%d"`, round)}
	case 1:
		return fmt.Sprintf(`{"events":[{"type":"Won","subject":"s-%d","data":%%d}],"condition":{"failIfMatch":[{"subjects":["s-%d"]}]}}`, round, round), nil
	}
	return fmt.Sprintf(`{"events":[{"type":"Won","tags":["seat:7","show:s1"],"data":%%d}],"condition":{"failIfMatch":[{"types":["Won"],"tags":["show:s1","seat:7"]}],"after":%d}}`, round), nil
}
