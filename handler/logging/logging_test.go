package logging_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"eventstore/handler/logging"
)

func TestALineNamesItsInvocationAndTrace(t *testing.T) {
	t.Parallel()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, tt := range []struct {
		name   string
		header http.Header
		want   string
	}{
		{"without headers", http.Header{}, `"k":1}`},
		{"the host's id", http.Header{"X-Azure-Functions-Invocationid": {"a-1"}}, `"k":1,"invocation":"a-1"}`},
		{"the last id, for a caller may send one too", http.Header{"X-Azure-Functions-Invocationid": {"evil, a-1"}}, `"k":1,"invocation":"a-1"}`},
		{"the last of two headers", http.Header{"X-Azure-Functions-Invocationid": {"evil", "a-1"}}, `"k":1,"invocation":"a-1"}`},
		{"the trace", http.Header{"Traceparent": {parent}}, `"k":1,"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}`},
		{"no trace in a broken traceparent", http.Header{"Traceparent": {"00-x-y-z"}}, `"k":1}`},
		{"an id that is cut", http.Header{"X-Azure-Functions-Invocationid": {strings.Repeat("x", 200)}}, `"k":1,"invocation":"` + strings.Repeat("x", 100) + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			log := logging.New(&lines, slog.LevelInfo)
			ctx := logging.Request(t.Context(), tt.header)
			log.DebugContext(ctx, "left out")
			log.With("k", 1).InfoContext(ctx, "said")
			require.Contains(t, lines.String(), `"msg":"said",`+tt.want+"\n")
			require.Equal(t, 1, strings.Count(lines.String(), "\n"))
		})
	}
}

func TestALineNamesTheSpanItBelongsTo(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}})
	ctx := logging.Request(t.Context(), http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "X-Azure-Functions-Invocationid": {"a-1"}})
	logging.New(&lines, slog.LevelInfo).InfoContext(trace.ContextWithSpanContext(ctx, span), "said")
	require.Contains(t, lines.String(), `"invocation":"a-1","trace":"00000000000000000000000000000001","span":"0000000000000002"}`)
}
