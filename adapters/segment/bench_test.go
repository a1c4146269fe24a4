package segment_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

// benchEvent is an event of about 300 bytes.
func benchEvent(i int) core.Event {
	return core.Event{
		ID: fmt.Sprintf("0193a1f2-5c7e-7d11-9a34-%012d", i), Type: "OrderPlaced", Source: "/bench",
		Subject: fmt.Sprintf("order-%d", i%100_000), Recorded: coretest.Start, DataContentType: core.DefaultContentType,
		Data: fmt.Sprintf(`{"total":%d.5,"n":"abcdefghij"}`, i),
	}
}

// fill appends n events, in requests of 1000.
func fill(tb testing.TB, log core.Log, n int) (size int64) {
	head, err := log.Head(tb.Context())
	require.NoError(tb, err)
	events := make([]core.Event, 0, 1000)
	for i := range n {
		events = append(events, benchEvent(int(head.Position)+len(events)))
		if len(events) < cap(events) && i < n-1 {
			continue
		}
		sealed, next := core.Seal(head, coretest.Start, events)
		require.NoError(tb, log.Append(tb.Context(), head, sealed))
		for j := range sealed {
			size += int64(len(sealed[j].Line()) + 1)
		}
		head, events = next, events[:0]
	}
	return size
}

func BenchmarkRead(b *testing.B) {
	files := segmenttest.NewMemory()
	log, err := segment.Open(b.Context(), files, segment.Options{})
	require.NoError(b, err)
	size := fill(b, log, 200_000)
	for name, q := range map[string]core.Query{
		"forward": {}, "backward": {Backward: true}, "filtered": {Filter: core.Filter{{Types: []string{"OrderPlaced"}, Subjects: []string{"order-1"}}, {Types: []string{"OrderPlaced"}, Tags: []string{"none"}}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				for _, err := range log.Read(b.Context(), q) {
					require.NoError(b, err)
				}
			}
		})
	}
}
