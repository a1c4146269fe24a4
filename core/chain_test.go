package core_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// BenchmarkChain checks lines of about 450 bytes, as every read of a stored log does.
func BenchmarkChain(b *testing.B) {
	events := make([]core.Event, 1000)
	for i := range events {
		events[i] = core.Event{ID: "0193a1f2-5c7e-7d11-9a34-3f0c9f6d1b2a", Type: "OrderPlaced", Source: "/shop", Subject: "order-4711",
			Tags: []string{"customer:c9"}, Data: `"` + string(bytes.Repeat([]byte("x"), 170)) + `"`}
	}
	sealed, _ := core.Seal(core.Head{}, noon, events)
	lines, size := make([][]byte, len(sealed)), 0
	for i := range sealed {
		lines[i] = []byte(sealed[i].Line())
		size += len(lines[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		chain := core.NewChain(core.Hash{})
		for _, line := range lines {
			if err := chain.Next(line); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)/float64(len(lines)), "bytes/line")
}

func TestCheckingALineAllocatesNothing(t *testing.T) {
	sealed, _ := core.Seal(core.Head{}, noon, []core.Event{full()})
	line, chain := []byte(sealed[0].Line()), core.NewChain(core.Hash{})
	require.NoError(t, chain.Next(line))
	again := core.NewChain(core.Hash{})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		*chain = *again
		if err := chain.Next(line); err != nil {
			t.Error(err)
		}
	}))
}
