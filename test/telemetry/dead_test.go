package telemetry_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// A collector that accepts connections and never answers costs a request nothing, and the log a line.
func TestACollectorThatNeverAnswersHoldsUpNobody(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	began := time.Now()
	server := app.Local(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+listener.Addr().String(), "OTEL_EXPORTER_OTLP_TIMEOUT=200",
		"OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_MAX_QUEUE_SIZE=16")
	server.CreateTopic(t, map[string]any{"name": "orders"})
	for range 200 { // far more spans than are kept
		answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"A"}`, "Content-Type", "application/json")
		require.Equal(t, 201, answer.Status, answer.Body)
	}
	require.Eventually(t, func() bool { return strings.Contains(server.Process.Output(), unsent) }, patience, 20*time.Millisecond)
	require.Equal(t, 200, server.Do(t, "GET", "/health", nil).Status)
	require.Equal(t, 0, server.Process.Interrupt(t), server.Process.Output())
	require.LessOrEqual(t, strings.Count(server.Process.Output(), unsent), 1+int(time.Since(began)/time.Minute), "one line a minute")
}

func TestWrongTelemetrySettingsStopTheStartWithOneLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings []string
		says     string
	}{
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317?key=secret"}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=ftp://user:secret@collector"}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=secret"}, "OTEL_EXPORTER_OTLP_HEADERS"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			process := app.Launch(t, app.Staged(t), tt.settings...)
			require.NotZero(t, process.Wait(t))
			require.Contains(t, process.Output(), tt.says)
			require.Equal(t, 1, strings.Count(process.Output(), "\n"), process.Output())
			require.NotContains(t, process.Output(), "secret")
		})
	}
}
