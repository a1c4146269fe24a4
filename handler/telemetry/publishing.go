package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"eventstore/core"
	"eventstore/core/commands"
)

// Publishing is told of publishes and appends; nil where nobody wants to know.
func (t *Telemetry) Publishing() commands.Observer {
	if t == nil {
		return nil
	}
	return publishing{t}
}

type publishing struct{ *Telemetry }

const (
	keyEvents   = attribute.Key("eventstore.events")
	keyFirst    = attribute.Key("eventstore.position.first")
	keyLast     = attribute.Key("eventstore.position.last")
	keyRequests = attribute.Key("eventstore.publishes")
)

// Begin begins a publish's span, which is its mark.
func (p publishing) Begin(ctx context.Context, topic string, events int) any {
	if p.tracer == nil {
		return nil
	}
	_, span := p.tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(keyTopic.String(clip(topic)), keyEvents.Int(events)))
	return span
}

// End ends it. An error's text may tell where the storage is, so that a span has its kind alone.
func (p publishing) End(mark any, result commands.Result, err error) {
	span, ok := mark.(trace.Span)
	if !ok {
		return
	}
	if err == nil {
		span.SetAttributes(keyFirst.Int64(int64(result.First)), keyLast.Int64(int64(result.Last)))
	}
	finish(span, outcomeOf(err))
}

// finish ends a span with its outcome.
func finish(span trace.Span, outcome string) {
	span.SetAttributes(keyOutcome.String(outcome))
	switch outcome {
	case outcomeOK, outcomeConflict, outcomeMissing, outcomeGivenUp:
	default:
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Append begins the one span of an append. It is a child of the first publish that it carries, and links to them all.
func (p publishing) Append(ctx context.Context, batch commands.Batch) (context.Context, func(error)) {
	began := time.Now()
	var span trace.Span
	var carried []origin
	if p.tracer != nil {
		carried = originsOf(batch)
		ctx, span = p.startAppend(ctx, batch, carried)
	}
	for i := range batch.Carried {
		p.recorder.waited(ctx, batch.Topic, batch.Carried[i].Waited)
	}
	return ctx, func(err error) {
		p.recorder.appended(ctx, batch.Topic, outcomeOf(err), batch.Events, time.Since(began))
		if span != nil {
			finish(span, outcomeOf(err))
		}
		if err != nil {
			return
		}
		p.standing.head(batch.Topic, batch.After+core.Position(batch.Events))
		for _, c := range carried {
			p.origins.note(batch.Topic, c.first, c.last, c.span)
		}
	}
}

func (p publishing) startAppend(ctx context.Context, batch commands.Batch, carried []origin) (context.Context, trace.Span) {
	var spans []trace.SpanContext
	for _, c := range carried {
		spans = append(spans, c.span)
	}
	linked := links(spans)
	if len(linked) > 0 {
		ctx = trace.ContextWithSpanContext(ctx, linked[0].SpanContext)
	}
	return p.tracer.Start(ctx, "append", trace.WithLinks(linked...), trace.WithAttributes(
		keyTopic.String(batch.Topic), keyEvents.Int(batch.Events), keyRequests.Int(len(batch.Carried))))
}

// originsOf are the publishes of a batch, with the positions that their new events will have.
func originsOf(batch commands.Batch) []origin {
	var carried []origin
	next := batch.After + 1
	for _, c := range batch.Carried {
		o := origin{first: next, last: next + core.Position(c.Events) - 1}
		next += core.Position(c.Events)
		if span, ok := c.Mark.(trace.Span); ok {
			o.span = span.SpanContext()
		}
		carried = append(carried, o)
	}
	return carried
}
