package telemetry

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"eventstore/core"
	"eventstore/core/projections"
)

// Ran is told of the runs of projections; nil where nobody wants to know.
func (t *Telemetry) Ran() func(context.Context, projections.Run) {
	if t == nil {
		return nil
	}
	return t.ran
}

func (t *Telemetry) ran(ctx context.Context, r projections.Run) {
	rebuild := strconv.FormatBool(r.Rebuild)
	if r.Events > 0 && r.Err == nil {
		t.recorder.ran(ctx, r.Projection, rebuild, r.Events, time.Since(r.Began))
	}
	if t.tracer != nil && r.Events > 0 {
		t.traceRun(ctx, r)
	}
	if r.Err == nil {
		t.standing.run(ctx, r)
	}
}

// traceRun makes the span of a run, which links to where the events come from that it folded.
func (t *Telemetry) traceRun(ctx context.Context, r projections.Run) {
	var spans []trace.SpanContext
	for topic, to := range r.To {
		spans = append(spans, t.origins.between(topic, r.From[topic], to)...)
	}
	_, span := t.tracer.Start(ctx, "fold", trace.WithTimestamp(r.Began), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(links(spans)...), trace.WithAttributes(keyProjection.String(r.Projection), keyEvents.Int(r.Events), keyRebuild.Bool(r.Rebuild)))
	outcome := outcomeOf(r.Err)
	if r.Failed {
		outcome = outcomeError
	}
	finish(span, outcome)
}

// run notes how a projection stands after a run.
func (s *standing) run(ctx context.Context, r projections.Run) {
	which := "live"
	if r.Rebuild {
		which = "rebuild"
		s.rebuilt(r)
	}
	s.mark(pair{r.Projection, which}, r.Failed)
	if r.Rebuild {
		return
	}
	for topic, to := range r.To {
		s.came(ctx, r, topic, to)
	}
}

func (s *standing) mark(key pair, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := 0.0
	if failed {
		value = 1
	}
	s.failed[key] = &state{value, s.now()}
}

// rebuilt notes how much of a rebuild is done.
func (s *standing) rebuilt(r projections.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var done, all core.Position
	for topic, to := range r.To {
		done, all = done+to, all+max(to, s.heads[topic])
	}
	progress := 1.0
	if all > 0 {
		progress = float64(done) / float64(all)
	}
	s.rebuilds[r.Projection] = &state{progress, s.now()}
}

// came notes how far a projection has come in a topic. Since when the first event waits that it has not folded is read from the
// log only where the projection does not come to the head, and once for each place where it stands.
func (s *standing) came(ctx context.Context, r projections.Run, topic string, to core.Position) {
	key := pair{r.Projection, topic}
	s.mu.Lock()
	p, before := &place{position: to, lag: max(0, s.heads[topic]-to), seen: s.now()}, s.projections[key]
	if r.Paused {
		delete(s.projections, key) // somebody wants it to stand still
		s.mu.Unlock()
		return
	}
	stuck := before != nil && before.position == to && before.lag > 0
	s.mu.Unlock()
	switch {
	case p.lag == 0:
	case stuck && !before.since.IsZero():
		p.since = before.since
	case r.Failed || r.More || stuck:
		p.since, _ = r.Waiting(ctx, topic)
	default: // it came to the head: what is behind was published since
		p.since = r.Began
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projections[key] = p
}
