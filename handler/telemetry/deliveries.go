package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"eventstore/core"
	"eventstore/core/subscribers"
)

// Served is told how subscriptions stand; nil where nobody wants to know.
func (t *Telemetry) Served() func(subscribers.Serving) {
	if t == nil {
		return nil
	}
	return t.standing.served
}

// Sender records the deliveries that inner makes, and has each carry its trace on to the receiver.
func (t *Telemetry) Sender(inner subscribers.Sender) subscribers.Sender {
	if t == nil {
		return inner
	}
	return &sender{inner, t}
}

type sender struct {
	subscribers.Sender
	t *Telemetry
}

// Send makes one delivery.
func (s *sender) Send(ctx context.Context, d core.Delivery) (core.Answer, error) {
	began := time.Now()
	var span trace.Span
	if s.t.tracer != nil {
		ctx, span = s.t.startDelivery(ctx, &d)
	}
	answer, err := s.Sender.Send(ctx, d)
	outcome := outcomeOf(err)
	if err == nil && answer.Status/100 != 2 {
		outcome = fmt.Sprintf("%dxx", answer.Status/100)
	}
	s.t.recorder.delivered(ctx, d.Topic, outcome, time.Since(began))
	if span != nil {
		span.SetAttributes(keyStatus.Int(answer.Status))
		finish(span, outcome)
	}
	return answer, err
}

const keyDelivery = attribute.Key("eventstore.delivery.id")

// startDelivery begins a delivery's span: in the trace of its first event that has one, linked to those of the others and to the
// timer's run in which it is made. Where it goes is left out: a callback may hold a key.
func (t *Telemetry) startDelivery(ctx context.Context, d *core.Delivery) (context.Context, trace.Span) {
	spans := []trace.SpanContext{}
	for i := range d.Events {
		if span := t.origins.of(d.Topic, &d.Events[i]); span.IsValid() {
			spans = append(spans, span)
		}
		if len(spans) == mostLinks {
			break
		}
	}
	run := trace.SpanContextFromContext(ctx)
	if len(spans) > 0 {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spans[0])
		spans = append(spans[1:], run)
	}
	ctx, span := t.tracer.Start(ctx, "deliver", trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links(spans)...),
		trace.WithAttributes(keyTopic.String(d.Topic), keyEvents.Int(len(d.Events)), keyDelivery.String(d.ID)))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	d.Traceparent, d.Tracestate = carrier["traceparent"], carrier["tracestate"]
	return ctx, span
}
