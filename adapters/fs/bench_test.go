package fs_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/adapters/segment"
	"eventstore/core"
	"eventstore/core/coretest"
)

// benchEvent is an event whose line has about 300 bytes.
func benchEvent(i int) core.Event {
	return core.Event{
		ID: fmt.Sprintf("id-%012d", i), Type: "OrderPlaced", Source: "/b", Subject: fmt.Sprintf("order-%d", i%100_000),
		Recorded: coretest.Start, Data: fmt.Sprintf(`{"total":%d.5}`, i),
	}
}

func benchOpen(b *testing.B, dir string) *segment.Log {
	b.Helper()
	topics := &fs.Topics{Dir: dir, Log: quiet.Log}
	config, err := topics.Complete(core.TopicConfig{Name: "bench"})
	require.NoError(b, err)
	log, _, err := topics.Open(b.Context(), config, "")
	require.NoError(b, err)
	return log.(*segment.Log)
}

// fill makes a log of n events in dir, with its indexes, and reports its bytes.
func fill(b *testing.B, dir string, n int) (size int64) {
	b.Helper()
	log := benchOpen(b, dir)
	head := core.Head{}
	events := make([]core.Event, 0, 10_000)
	for i := range n {
		events = append(events, benchEvent(i))
		if len(events) < cap(events) && i < n-1 {
			continue
		}
		sealed, next := core.Seal(head, coretest.Start, events)
		require.NoError(b, log.Append(b.Context(), head, sealed))
		for j := range sealed {
			size += int64(len(sealed[j].Line()) + 1)
		}
		head, events = next, events[:0]
	}
	require.NoError(b, log.Maintain(b.Context()))
	require.NoError(b, log.Close())
	return size
}

// sizes are the numbers of events; EVENTS adds a larger one, such as 10000000.
func sizes(b *testing.B) []int {
	b.Helper()
	all := []int{10_000, 300_000}
	if text := os.Getenv("EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		all = append(all, n)
	}
	return all
}

// BenchmarkOpenAndSeek opens a log and reads one event in its middle.
func BenchmarkOpenAndSeek(b *testing.B) {
	for _, n := range sizes(b) {
		dir := b.TempDir()
		fill(b, dir, n)
		b.Run(fmt.Sprint(n, " events"), func(b *testing.B) {
			defer reportCPU(b)()
			for b.Loop() {
				log := benchOpen(b, dir)
				for e, err := range log.Read(b.Context(), core.Query{From: core.Position(n / 2), Limit: 1}) {
					require.NoError(b, err)
					require.Equal(b, core.Position(n/2), e.Position)
				}
				require.NoError(b, log.Close())
			}
		})
		log := benchOpen(b, dir)
		b.Run(fmt.Sprint(n, " events, seeking alone"), func(b *testing.B) {
			defer reportCPU(b)()
			for b.Loop() {
				for _, err := range log.Read(b.Context(), core.Query{From: core.Position(n / 2), Limit: 1}) {
					require.NoError(b, err)
				}
			}
		})
		b.Run(fmt.Sprint(n, " events, looking up an id"), func(b *testing.B) {
			defer reportCPU(b)()
			for i := 0; b.Loop(); i++ {
				_, err := log.Find(b.Context(), []string{fmt.Sprintf("id-%012d", i*7919%(2*n))})
				require.NoError(b, err)
			}
		})
		require.NoError(b, log.Close())
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	size := fill(b, dir, 300_000)
	log := benchOpen(b, dir)
	for name, q := range map[string]core.Query{"forward": {}, "backward": {Backward: true}} {
		b.Run(name, func(b *testing.B) {
			defer reportCPU(b)()
			b.SetBytes(size)
			for b.Loop() {
				for _, err := range log.Read(b.Context(), q) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n, " events an append"), func(b *testing.B) {
			log := benchOpen(b, b.TempDir())
			head, events := core.Head{}, make([]core.Event, n)
			for i := 0; b.Loop(); i++ {
				for j := range events {
					events[j] = benchEvent(i*n + j)
				}
				sealed, next := core.Seal(head, coretest.Start, events)
				require.NoError(b, log.Append(b.Context(), head, sealed))
				head = next
			}
			require.NoError(b, log.Close())
		})
	}
}
