package telemetry

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"

	"go.opentelemetry.io/otel/metric"
)

// observeProcess has the process's own gauges read when metrics are.
func observeProcess(m *makers) {
	resident, used, goroutines := m.gauge("process.memory.usage"), m.gauge("go.memory.used"), m.gauge("go.goroutine.count")
	_, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if bytes, ok := residentMemory(); ok {
			o.ObserveFloat64(resident, bytes)
		}
		o.ObserveFloat64(used, runtimeMemory())
		o.ObserveFloat64(goroutines, float64(runtime.NumGoroutine()))
		return nil
	}, resident, used, goroutines)
	keep(m, true, err)
}

// residentMemory is what the kernel says; there is none to ask but Linux's.
func residentMemory() (float64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseFloat(string(fields[1]), 64)
	return pages * float64(os.Getpagesize()), err == nil
}

// runtimeMemory is all that the Go runtime has taken, but for what it has given back.
func runtimeMemory() float64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
