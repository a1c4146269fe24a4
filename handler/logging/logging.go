// Package logging writes the log: JSON lines, each with the host's invocation and the trace that it
// belongs to.
package logging

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"

	oteltrace "go.opentelemetry.io/otel/trace"
)

// New makes a logger of JSON lines.
func New(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(handler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// Request notes in ctx what a request's headers say it belongs to: the last value of
// X-Azure-Functions-InvocationId, since a caller may have sent one before the host's, and the trace of
// traceparent. Without these headers it is ctx itself.
func Request(ctx context.Context, header http.Header) context.Context {
	origin := origin{invocation: invocation(header["X-Azure-Functions-Invocationid"]), trace: trace(header["Traceparent"])}
	if origin.invocation == "" && origin.trace == "" {
		return ctx
	}
	return context.WithValue(ctx, originKey{}, origin)
}

type originKey struct{}

type origin struct{ invocation, trace string }

// longest is more than any id has.
const longest = 100

func invocation(values []string) string {
	sent := strings.Join(values, ",")
	last := strings.TrimSpace(sent[strings.LastIndexByte(sent, ',')+1:])
	return last[:min(len(last), longest)]
}

// trace is the second field of a traceparent: 00-{trace}-{parent}-{flags}.
func trace(values []string) string {
	if len(values) != 1 {
		return ""
	}
	fields := strings.Split(values[0], "-")
	if len(fields) < 4 || len(fields[1]) != 32 {
		return ""
	}
	return fields[1]
}

// handler adds to each line what Request noted, and the span that the line belongs to where traces are recorded.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, record slog.Record) error {
	origin, _ := ctx.Value(originKey{}).(origin)
	if origin.invocation != "" {
		record.AddAttrs(slog.String("invocation", origin.invocation))
	}
	if span := oteltrace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace", span.TraceID().String()), slog.String("span", span.SpanID().String()))
	} else if origin.trace != "" {
		record.AddAttrs(slog.String("trace", origin.trace))
	}
	return h.Handler.Handle(ctx, record)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
