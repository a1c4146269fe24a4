package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// recorder holds the instruments that are told of each thing that happens. The gauges are observed when they are read. A nil recorder
// records nothing.
type recorder struct {
	requests, appends, batches, waits, storage, runs, deliveries, timers metric.Float64Histogram
	events, conflicts, folded                                            metric.Int64Counter

	mu   sync.RWMutex
	sets map[[4]string]*series // guarded by mu
}

// series is one combination of attributes, ready to be recorded with: making it each time would cost more than all else.
type series struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

func newRecorder(meter metric.Meter, standing *standing) (*recorder, error) {
	m := &makers{Meter: meter}
	r := &recorder{
		requests:   m.histogram("http.server.request.duration"),
		appends:    m.histogram("eventstore.append.duration"),
		batches:    m.histogram("eventstore.append.batch.size"),
		waits:      m.histogram("eventstore.publish.wait"),
		storage:    m.histogram("eventstore.storage.operation.duration"),
		runs:       m.histogram("eventstore.projection.run.duration"),
		deliveries: m.histogram("eventstore.delivery.duration"),
		timers:     m.histogram("eventstore.timer.duration"),
		events:     m.counter("eventstore.append.events"),
		conflicts:  m.counter("eventstore.append.conflicts"),
		folded:     m.counter("eventstore.projection.events"),
		sets:       map[[4]string]*series{},
	}
	observeStanding(m, standing)
	observeProcess(m)
	return r, m.err
}

// mostSeries is how many combinations are kept ready. Beyond it, which many topics come with, they are made each time.
const mostSeries = 5000

// of gives the series of up to three attributes, whose keys the first of them, kind, stands for.
func (r *recorder) of(kind string, keys []attribute.Key, values ...string) *series {
	id := [4]string{kind}
	copy(id[1:], values)
	r.mu.RLock()
	s := r.sets[id]
	r.mu.RUnlock()
	if s != nil {
		return s
	}
	set := metric.WithAttributeSet(attribute.NewSet(attributesOf(keys, values)...))
	s = &series{[]metric.RecordOption{set}, []metric.AddOption{set}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sets) < mostSeries {
		r.sets[id] = s
	}
	return s
}

func attributesOf(keys []attribute.Key, values []string) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, len(keys))
	for i, key := range keys {
		attributes[i] = key.String(values[i])
	}
	return attributes
}

var (
	ofTopic    = []attribute.Key{keyTopic}
	ofOutcome  = []attribute.Key{keyTopic, keyOutcome}
	ofStorage  = []attribute.Key{keyAdapter, keyOperation, keyOutcome}
	ofRun      = []attribute.Key{keyProjection, keyRebuild}
	ofTimerRun = []attribute.Key{keyTimer, keyOutcome}
)

// appended records an append.
func (r *recorder) appended(ctx context.Context, topic, outcome string, events int, took time.Duration) {
	if r == nil {
		return
	}
	r.appends.Record(ctx, took.Seconds(), r.of("append", ofOutcome, topic, outcome).record...)
	alone := r.of("topic", ofTopic, topic)
	switch outcome {
	case outcomeOK:
		r.events.Add(ctx, int64(events), alone.add...)
		r.batches.Record(ctx, float64(events), alone.record...)
	case outcomeConflict:
		r.conflicts.Add(ctx, 1, alone.add...)
	}
}

// waited records how long a publish waited for its append.
func (r *recorder) waited(ctx context.Context, topic string, waited time.Duration) {
	if r == nil {
		return
	}
	r.waits.Record(ctx, waited.Seconds(), r.of("topic", ofTopic, topic).record...)
}

// called records a call of the storage.
func (r *recorder) called(ctx context.Context, adapter, operation, outcome string, began time.Time) {
	if r == nil {
		return
	}
	r.storage.Record(ctx, time.Since(began).Seconds(), r.of("storage", ofStorage, adapter, operation, outcome).record...)
}

// ran records a projection's run.
func (r *recorder) ran(ctx context.Context, projection, rebuild string, events int, took time.Duration) {
	if r == nil {
		return
	}
	of := r.of("run", ofRun, projection, rebuild)
	r.folded.Add(ctx, int64(events), of.add...)
	r.runs.Record(ctx, took.Seconds(), of.record...)
}

// delivered records a callback's answer, or that there was none.
func (r *recorder) delivered(ctx context.Context, topic, outcome string, took time.Duration) {
	if r == nil {
		return
	}
	r.deliveries.Record(ctx, took.Seconds(), r.of("delivery", ofOutcome, topic, outcome).record...)
}

// timed records a timer's run.
func (r *recorder) timed(ctx context.Context, timer, outcome string, took time.Duration) {
	if r == nil {
		return
	}
	r.timers.Record(ctx, took.Seconds(), r.of("timer", ofTimerRun, timer, outcome).record...)
}
