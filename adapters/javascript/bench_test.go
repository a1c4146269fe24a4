package javascript_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/javascript"
	"eventstore/core"
	"eventstore/core/coretest"
)

// BenchmarkFold folds batches of 300-byte events into 10,000 documents. It tells the processor's time too: on a busy
// machine that is the number to compare.
func BenchmarkFold(b *testing.B) {
	p := compile(b, `({ key: e => e.subject, on: { Push: (doc, e) => ({ n: (doc?.n ?? 0) + 1, size: (doc?.size ?? 0) + e.data.size, last: e.data.actor.login }) } })`)
	events := make([]core.Event, 8000)
	for i := range events {
		events[i] = core.Event{ID: fmt.Sprintf("0193a1f2-5c7e-7d11-9a34-%012d", i), Type: "Push", Source: "/shop/checkout", Subject: fmt.Sprintf("repo-%d", i*7919%10_000),
			DataContentType: core.DefaultContentType, Data: `{"size":19.5,"actor":{"login":"someone","id":5},"repo":"x/y"}`}
	}
	events, _ = core.Seal(core.Head{}, coretest.Start, events)
	documents := map[string]string{}
	started := processorTime()
	b.ResetTimer()
	for n := 0; n < b.N; {
		size, _ := p.MaxBatch()
		after, err := fold(b.Context(), p, events[:size], documents)
		require.NoError(b, err)
		for key, text := range after {
			documents[key] = text
		}
		n += size
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((processorTime()-started).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkCompile makes a sandbox with a definition in it.
func BenchmarkCompile(b *testing.B) {
	started := processorTime()
	for b.Loop() {
		p, err := javascript.Compile(b.Context(), orders)
		require.NoError(b, err)
		p.Close()
	}
	b.ReportMetric(float64((processorTime()-started).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
