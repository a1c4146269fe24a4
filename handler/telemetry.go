package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"eventstore/handler/telemetry"
)

// hostInterval is the time between two sendings of metrics under the host, which ends instances without notice.
const hostInterval = 15 * time.Second

// newTelemetry reads OpenTelemetry's settings. Traces and metrics are sent where OTEL_EXPORTER_OTLP_ENDPOINT says; in local mode
// the metrics are there to be read, too. nil is off.
func newTelemetry(ctx context.Context, s settings, getenv func(string) string, log *slog.Logger) (*telemetry.Telemetry, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	sent, err := readExporter(getenv)
	if err != nil {
		return nil, err
	}
	config := telemetry.Config{
		Traces: sent, Metrics: sent, Scraped: !s.underHost,
		Sampled:   getenv("OTEL_TRACES_SAMPLER") != "",
		UnderHost: s.underHost, Version: version, Attributes: placeOfHost(getenv), Log: log,
	}
	if s.underHost && getenv("OTEL_METRIC_EXPORT_INTERVAL") == "" {
		config.Interval = hostInterval
	}
	started, err := telemetry.New(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("starting telemetry by the settings OTEL_…: %w", err)
	}
	return started, nil
}

// readExporter checks what is checked too late, or not at all, by who reads it. Nothing of a value is told that may be a key.
func readExporter(getenv func(string) string) (sent bool, err error) {
	const name, protocol, headers = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_HEADERS"
	endpoint := getenv(name)
	if endpoint == "" {
		return false, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false, &settingError{name, maskEndpoint(endpoint), "it is the address of a collector of OTLP over HTTP, such as http://127.0.0.1:4318"}
	}
	if text := getenv(protocol); text != "" && text != "http/protobuf" {
		return false, &settingError{protocol, text, "it is http/protobuf, the one that is spoken here; a collector has a port of its own for it, 4318"}
	}
	for pair := range strings.SplitSeq(getenv(headers), ",") {
		if key, _, found := strings.Cut(pair, "="); pair != "" && (!found || strings.TrimSpace(key) == "") {
			return false, &settingError{headers, "***", "it is name=value pairs separated by commas, with % escapes in values"}
		}
	}
	return true, nil
}

// maskEndpoint leaves out what may be a key.
func maskEndpoint(endpoint string) string {
	masked, _, _ := strings.Cut(endpoint, "?")
	if before, after, found := strings.Cut(masked, "@"); found {
		scheme, _, _ := strings.Cut(before, "//")
		masked = scheme + "//***@" + after
	}
	return masked
}

// placeOfHost says which app and which of its instances this is, as Azure tells it.
func placeOfHost(getenv func(string) string) map[string]string {
	attributes := map[string]string{}
	for name, setting := range map[string]string{"faas.name": "WEBSITE_SITE_NAME", "faas.instance": "WEBSITE_INSTANCE_ID", "cloud.region": "REGION_NAME"} {
		if value := getenv(setting); value != "" {
			attributes[name] = value
		}
	}
	if len(attributes) > 0 {
		attributes["cloud.provider"], attributes["cloud.platform"] = "azure", "azure_functions"
	}
	return attributes
}
