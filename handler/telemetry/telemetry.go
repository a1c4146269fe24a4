// Package telemetry is what the store tells of itself by OpenTelemetry: traces and metrics, sent by OTLP over HTTP, and the
// metrics as Prometheus reads them.
//
// It sees everything from outside: it wraps the HTTP handler, the timers, the sender of callbacks and the ports, and is told
// of publishes and runs by those who make them. A nil [Telemetry] is telemetry that is off: it wraps nothing, observes
// nothing and costs nothing. Nothing that is told waits for who is told: what can't be sent is dropped.
package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says what is told, and to whom. Where nothing is, telemetry is off. The exporters read the rest of OpenTelemetry's
// own environment variables themselves.
type Config struct {
	Traces, Metrics bool // sent by OTLP
	Scraped         bool // the metrics are there to be read, by [Telemetry.Prometheus]
	// Sampled: OTEL_TRACES_SAMPLER says which traces are recorded. Without it all are, whatever the flags of an incoming
	// traceparent say: the Functions host's are 00.
	Sampled bool
	// UnderHost: the process may be frozen or killed whenever no call is under way, so it sends soon, and at the end of each
	// timer's run.
	UnderHost bool
	// Interval is the time between two sendings of metrics; 0 leaves it to OTEL_METRIC_EXPORT_INTERVAL, which is 60 s.
	Interval time.Duration
	Version  string
	// Attributes say where this runs, beside OTEL_RESOURCE_ATTRIBUTES, which come before them.
	Attributes map[string]string
	// Log is told, once a minute at most, that nothing can be sent.
	Log *slog.Logger
}

// Telemetry is what the rest of the handler uses. All its methods may be called on nil.
type Telemetry struct {
	config   Config
	tracer   trace.Tracer // nil where there are no traces
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	registry *prometheus.Registry // nil where nothing is scraped
	recorder *recorder
	origins  *origins // nil where there are no traces
	standing *standing
}

// scope names what the spans and metrics come from.
const scope = "eventstore"

// New makes telemetry; nil where nothing is told to anybody. Nothing is sent yet, and no connection is made.
func New(ctx context.Context, config Config) (*Telemetry, error) {
	if !config.Traces && !config.Metrics && !config.Scraped {
		return nil, nil
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{config: config, standing: newStanding()}
	otel.SetErrorHandler(&complaints{log: config.Log, now: time.Now})
	if err := t.startTraces(ctx); err != nil {
		return nil, err
	}
	if err := t.startMetrics(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// The bounds of sending. A collector that is away for longer loses what could not be kept.
const (
	sendSoon  = time.Second     // after which spans are sent
	sendTries = 5 * time.Second // how long one sending is tried again
	flushTime = 2 * time.Second // how long the end of a timer's run waits for the collector
	closeTime = 5 * time.Second // and how long a stop does
)

func (t *Telemetry) startTraces(ctx context.Context) error {
	if !t.config.Traces {
		return nil
	}
	retry := otlptracehttp.RetryConfig{Enabled: true, InitialInterval: sendTries / 10, MaxInterval: sendTries / 2, MaxElapsedTime: sendTries}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithRetry(retry))
	if err != nil {
		return err
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(sendSoon)),
		sdktrace.WithResource(t.config.resource(ctx)),
	}
	if !t.config.Sampled {
		options = append(options, sdktrace.WithSampler(sdktrace.AlwaysSample()))
	}
	t.traces = sdktrace.NewTracerProvider(options...)
	t.tracer, t.origins = t.traces.Tracer(scope, trace.WithInstrumentationVersion(t.config.Version)), newOrigins()
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(t.config.resource(ctx)), views()}
	if t.config.Metrics {
		retry := otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: sendTries / 10, MaxInterval: sendTries / 2, MaxElapsedTime: sendTries}
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithRetry(retry))
		if err != nil {
			return err
		}
		var often []sdkmetric.PeriodicReaderOption
		if t.config.Interval > 0 {
			often = append(often, sdkmetric.WithInterval(t.config.Interval))
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, often...)))
	}
	if t.config.Scraped {
		t.registry = prometheus.NewRegistry()
		exporter, err := promexporter.New(promexporter.WithRegisterer(t.registry), promexporter.WithoutScopeInfo())
		if err != nil {
			return err
		}
		options = append(options, sdkmetric.WithReader(exporter))
	}
	var err error
	if t.config.Metrics || t.config.Scraped {
		t.metrics = sdkmetric.NewMeterProvider(options...)
		t.recorder, err = newRecorder(t.metrics.Meter(scope, metric.WithInstrumentationVersion(t.config.Version)), t.standing)
	}
	return err
}

// Prometheus answers with the metrics in Prometheus's text format; nil where they are not to be read.
func (t *Telemetry) Prometheus() http.Handler {
	if t == nil || t.registry == nil {
		return nil
	}
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// flush sends what there is, or gives up soon.
func (t *Telemetry) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if t.traces != nil {
		if err := t.traces.ForceFlush(ctx); err != nil {
			otel.Handle(err)
		}
	}
	if t.config.Metrics {
		if err := t.metrics.ForceFlush(ctx); err != nil {
			otel.Handle(err)
		}
	}
}

// Close sends what there is, and ends. Spans that end later are dropped.
func (t *Telemetry) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var err error
	if t.traces != nil {
		err = t.traces.Shutdown(ctx)
	}
	if t.metrics != nil {
		err = errors.Join(err, t.metrics.Shutdown(ctx))
	}
	if err != nil {
		otel.Handle(err)
	}
}

// clip cuts what a caller may have made long.
func clip(text string) string {
	const longest = 100
	return strings.ToValidUTF8(text[:min(len(text), longest)], "")
}
