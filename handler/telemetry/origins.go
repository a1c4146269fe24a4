package telemetry

import (
	"context"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"eventstore/core"
)

// origins remembers which traces the latest events come from: of what this instance has published, the span of the publish; of
// what it has read, the traceparent in the event's metadata. It is a memory and no more: what it has forgotten, or
// another instance has published without metadata, is not linked.
type origins struct {
	mu     sync.RWMutex
	topics map[string]*ring // guarded by mu
}

// The bounds of the memory: some megabytes.
const (
	mostTopics  = 128
	mostOrigins = 512 // of a topic
	mostLinks   = 32  // of a span
)

// ring holds the latest origins of a topic, in no order.
type ring struct {
	entries []origin
	next    int
}

type origin struct {
	first, last core.Position
	span        trace.SpanContext
}

func newOrigins() *origins { return &origins{topics: map[string]*ring{}} }

// note remembers where the events from first to last come from.
func (o *origins) note(topic string, first, last core.Position, span trace.SpanContext) {
	if o == nil || last < first || !span.IsValid() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.topics[topic]
	if r == nil {
		if len(o.topics) >= mostTopics {
			clear(o.topics)
		}
		r = new(ring)
		o.topics[topic] = r
	}
	if len(r.entries) < mostOrigins {
		r.entries = append(r.entries, origin{first, last, span})
		return
	}
	r.entries[r.next] = origin{first, last, span}
	r.next = (r.next + 1) % mostOrigins
}

// between are the origins of the events behind after, up to last, at most mostLinks of them.
func (o *origins) between(topic string, after, last core.Position) (spans []trace.SpanContext) {
	if o == nil {
		return nil
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	r := o.topics[topic]
	if r == nil {
		return nil
	}
	for _, entry := range r.entries {
		if entry.last > after && entry.first <= last {
			if spans = append(spans, entry.span); len(spans) == mostLinks {
				break
			}
		}
	}
	return spans
}

// read remembers the origin of an event that was read, where its metadata tells one.
func (o *origins) read(topic string, e *core.Event) {
	if o == nil || !strings.Contains(e.Metadata, "traceparent") || len(o.between(topic, e.Position-1, e.Position)) > 0 {
		return
	}
	o.note(topic, e.Position, e.Position, fromMetadata(e.Metadata))
}

// of is the origin of an event: what its publisher has put into its metadata comes first.
func (o *origins) of(topic string, e *core.Event) trace.SpanContext {
	if span := fromMetadata(e.Metadata); span.IsValid() {
		return span
	}
	if known := o.between(topic, e.Position-1, e.Position); len(known) > 0 {
		return known[0]
	}
	return trace.SpanContext{}
}

// fromMetadata reads the W3C trace context that stands in an event's metadata; one that is not right is none.
func fromMetadata(metadata string) trace.SpanContext {
	if !strings.Contains(metadata, "traceparent") {
		return trace.SpanContext{}
	}
	attributes, err := core.ParseMetadata(metadata)
	if err != nil {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{}
	for _, a := range attributes {
		if a.Name == "traceparent" || a.Name == "tracestate" {
			carrier[a.Name] = a.Value
		}
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// links link to spans, each once.
func links(spans []trace.SpanContext) []trace.Link {
	var some []trace.Link
	seen := map[trace.SpanID]bool{}
	for _, span := range spans {
		if span.IsValid() && !seen[span.SpanID()] && len(some) < mostLinks {
			seen[span.SpanID()] = true
			some = append(some, trace.Link{SpanContext: span})
		}
	}
	return some
}
