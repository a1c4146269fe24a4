package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// orderPlaced is an event of about 300 bytes, as shops have them.
func orderPlaced(i int) core.Event {
	return core.Event{
		ID: fmt.Sprintf("0193a1f2-5c7e-7d11-9a34-%012x", i), Type: []string{"OrderPlaced", "OrderPaid", "OrderShipped"}[i%3],
		Source: "/shop/checkout", Subject: fmt.Sprintf("order-%d", i/3), DataContentType: core.DefaultContentType,
		Data: fmt.Sprintf(`{"total":%d.5,"lines":[{"sku":"a-1","n":2},{"sku":"b-2","n":1}],"note":"leave it at the door"}`, i%1000),
	}
}

func orders(from, n int, tags bool) []core.Event {
	events := make([]core.Event, n)
	for i := range events {
		if events[i] = orderPlaced(from + i); tags {
			events[i].Tags = []string{fmt.Sprintf("customer:%d", (from+i)*7919%50_000), fmt.Sprintf("show:%d", (from+i)%500)}
		}
	}
	return events
}

// fill appends n events in large batches and returns the head.
func fill(b testing.TB, log core.Log, n int, tags bool) core.Head {
	b.Helper()
	head, err := log.Head(b.Context())
	require.NoError(b, err)
	for from := 0; from < n; from += 5000 {
		sealed, next := core.Seal(head, time.Now(), orders(from, min(5000, n-from), tags))
		require.NoError(b, log.Append(b.Context(), head, sealed))
		head = next
	}
	return head
}

func BenchmarkAppend(b *testing.B) {
	for _, tags := range []bool{false, true} {
		for _, size := range []int{1, 64, 100, 1000} {
			b.Run(fmt.Sprintf("%d events, tags %v", size, tags), func(b *testing.B) {
				log, head, n := open(b, newConfig(b)), core.Head{}, 0
				for b.Loop() {
					sealed, next := core.Seal(head, time.Now(), orders(n, size, tags))
					require.NoError(b, log.Append(b.Context(), head, sealed))
					head, n = next, n+size
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	const n = 100_000
	log := open(b, newConfig(b))
	head := fill(b, log, n, true)
	for _, bench := range []struct {
		name  string
		query core.Query
	}{
		{"all, forward", core.Query{}},
		{"all, backward", core.Query{Backward: true}},
		{"a hundred in the middle", core.Query{From: n / 2, Limit: 100}},
		{"one subject", core.Query{Filter: core.Filter{{Subjects: []string{"order-77"}}}}},
		{"a third by type", core.Query{Filter: core.Filter{{Types: []string{"OrderPaid"}}}}},
		{"two tags", core.Query{Filter: core.Filter{{Tags: []string{"customer:7919", "show:1"}}}}},
		{"a tag that is nowhere, after the middle", core.Query{From: n / 2, Limit: 1, Filter: core.Filter{{Tags: []string{"customer:none"}}}}},
		{"types that are nowhere", core.Query{Limit: 1, Filter: core.Filter{{Types: []string{"A", "B"}}}}},
		{"a day that is not there", core.Query{Since: head.Recorded.Add(time.Hour)}},
	} {
		b.Run(strings.ReplaceAll(bench.name, " ", "_"), func(b *testing.B) {
			events := 0
			for b.Loop() {
				for _, err := range log.Read(b.Context(), bench.query) {
					require.NoError(b, err)
					events++
				}
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
