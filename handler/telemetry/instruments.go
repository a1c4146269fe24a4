package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Instrument is one metric. docs/operations.md has a table of them all.
type Instrument struct {
	Name       string
	Kind       string // counter, histogram or gauge
	Unit       string // as UCUM has it
	Attributes []attribute.Key
	Says       string
}

// The attributes. Their values are bounded: what is registered, what is in the code, and statuses.
const (
	keyTopic        = attribute.Key("eventstore.topic")
	keyProjection   = attribute.Key("eventstore.projection")
	keySubscription = attribute.Key("eventstore.subscription")
	keyAdapter      = attribute.Key("eventstore.adapter")
	keyOperation    = attribute.Key("eventstore.operation")
	keyOutcome      = attribute.Key("eventstore.outcome")
	keyTimer        = attribute.Key("eventstore.timer")
	keyRebuild      = attribute.Key("eventstore.rebuild")
	keyMethod       = attribute.Key("http.request.method")
	keyRoute        = attribute.Key("http.route")
	keyStatus       = attribute.Key("http.response.status_code")
)

// Instruments are all metrics.
func Instruments() []Instrument {
	keys := func(keys ...attribute.Key) []attribute.Key { return keys }
	return []Instrument{
		{"http.server.request.duration", "histogram", "s", keys(keyMethod, keyRoute, keyStatus), "how long requests took to be answered; a stream as long as it lasts"},
		{"eventstore.append.events", "counter", "{event}", keys(keyTopic), "events appended by this instance"},
		{"eventstore.append.conflicts", "counter", "{conflict}", keys(keyTopic), "appends that another instance was faster than; they are made again"},
		{"eventstore.append.duration", "histogram", "s", keys(keyTopic, keyOutcome), "how long appends took, with all that was tried for them"},
		{"eventstore.append.batch.size", "histogram", "{event}", keys(keyTopic), "events of one append"},
		{"eventstore.publish.wait", "histogram", "s", keys(keyTopic), "how long publishes waited, from when they were taken on until their append began"},
		{"eventstore.storage.operation.duration", "histogram", "s", keys(keyAdapter, keyOperation, keyOutcome), "how long calls of the storage took: of a log (append, head, read, find, close) and of documents (get, write, list)"},
		{"eventstore.projection.lag", "gauge", "{event}", keys(keyProjection, keyTopic), "events that a projection is behind, at its last run in this instance"},
		{"eventstore.projection.age", "gauge", "s", keys(keyProjection, keyTopic), "how long ago the first event was recorded that a projection has not folded; 0 where there is none"},
		{"eventstore.projection.failed", "gauge", "{projection}", keys(keyProjection), "1 where a projection, or its rebuild, can't go on"},
		{"eventstore.projection.events", "counter", "{event}", keys(keyProjection, keyRebuild), "events folded"},
		{"eventstore.projection.run.duration", "histogram", "s", keys(keyProjection, keyRebuild), "how long runs took that folded something"},
		{"eventstore.projection.rebuild.progress", "gauge", "1", keys(keyProjection), "how much of a rebuild is done, from 0 to 1; not there without one"},
		{"eventstore.subscription.lag", "gauge", "{event}", keys(keyTopic, keySubscription), "events from the subscription's next one to the head, at its last run in this instance"},
		{"eventstore.subscription.age", "gauge", "s", keys(keyTopic, keySubscription), "how long the subscription's next event has waited; 0 where there is none"},
		{"eventstore.subscription.parked", "gauge", "{subject}", keys(keyTopic, keySubscription), "subjects that are parked"},
		{"eventstore.delivery.duration", "histogram", "s", keys(keyTopic, keyOutcome), "how long callbacks took to answer"},
		{"eventstore.timer.duration", "histogram", "s", keys(keyTimer, keyOutcome), "how long timers' runs took"},
		{"process.memory.usage", "gauge", "By", nil, "the process's resident memory"},
		{"go.memory.used", "gauge", "By", nil, "memory that the Go runtime uses"},
		{"go.goroutine.count", "gauge", "{goroutine}", nil, "goroutines that exist"},
	}
}

// instrument finds one by its name.
func instrument(name string) Instrument {
	for _, i := range Instruments() {
		if i.Name == name {
			return i
		}
	}
	panic("there is no instrument " + name)
}

// The buckets of what takes time, in seconds, and of what is counted.
var (
	secondsBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	eventsBuckets  = []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}
)

// makers makes instruments by their names, and gathers what goes wrong.
type makers struct {
	metric.Meter
	err error
}

func keep[T any](m *makers, made T, err error) T {
	if m.err == nil {
		m.err = err
	}
	return made
}

func (m *makers) histogram(name string) metric.Float64Histogram {
	i, buckets := instrument(name), secondsBuckets
	if i.Unit != "s" {
		buckets = eventsBuckets
	}
	made, err := m.Float64Histogram(name, metric.WithUnit(i.Unit), metric.WithDescription(i.Says), metric.WithExplicitBucketBoundaries(buckets...))
	return keep(m, made, err)
}

func (m *makers) counter(name string) metric.Int64Counter {
	i := instrument(name)
	made, err := m.Int64Counter(name, metric.WithUnit(i.Unit), metric.WithDescription(i.Says))
	return keep(m, made, err)
}

func (m *makers) gauge(name string) metric.Float64ObservableGauge {
	i := instrument(name)
	made, err := m.Float64ObservableGauge(name, metric.WithUnit(i.Unit), metric.WithDescription(i.Says))
	return keep(m, made, err)
}

// views leave the SDK's own limits of how many series a metric has.
func views() sdkmetric.Option { return sdkmetric.WithCardinalityLimit(2000) }
