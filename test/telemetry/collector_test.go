// Package telemetry_test holds what the built binary tells of itself: traces and metrics, as a collector of OTLP over HTTP
// receives them, and /metrics.
package telemetry_test

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// patience is how long a condition is waited for that comes about by itself.
const patience = 60 * time.Second

// collector receives OTLP over HTTP, and keeps what it got.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	spans    []span                    // guarded by mu
	metrics  map[string]map[string]any // guarded by mu; by name, the attributes that came with it
	headers  []http.Header             // guarded by mu; of every request
	resource map[string]string         // guarded by mu; of the last spans
	raw      strings.Builder           // guarded by mu; all texts of attributes
}

// span is one that was received. Its ids are hex.
type span struct {
	name, id, parent, trace string
	attributes              map[string]string
	links                   []link
	kind                    tracepb.Span_SpanKind
	failed                  bool
}

type link struct{ trace, span string }

func newCollector(t testing.TB) *collector {
	c := &collector{metrics: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		receive(t, c, w, r, new(collectortrace.ExportTraceServiceRequest), c.keepSpans)
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		receive(t, c, w, r, new(collectormetrics.ExportMetricsServiceRequest), c.keepMetrics)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func receive[M proto.Message](t testing.TB, c *collector, w http.ResponseWriter, r *http.Request, into M, keep func(M)) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			t.Errorf("unzipping: %v", err)
			return
		}
		body = unzipped
	}
	bytes, err := io.ReadAll(body)
	if err != nil {
		return // the sender was killed
	}
	if err := proto.Unmarshal(bytes, into); err != nil {
		t.Errorf("decoding OTLP: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header)
	keep(into)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// keepSpans is called with mu held.
func (c *collector) keepSpans(request *collectortrace.ExportTraceServiceRequest) {
	for _, resource := range request.ResourceSpans {
		c.resource = c.texts(resource.Resource.GetAttributes())
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				received := span{name: s.Name, id: hex.EncodeToString(s.SpanId), parent: hex.EncodeToString(s.ParentSpanId), trace: hex.EncodeToString(s.TraceId),
					attributes: c.texts(s.Attributes), kind: s.Kind, failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR}
				c.raw.WriteString(s.Name + "\n" + s.GetStatus().GetMessage() + "\n")
				for _, l := range s.Links {
					received.links = append(received.links, link{hex.EncodeToString(l.TraceId), hex.EncodeToString(l.SpanId)})
				}
				c.spans = append(c.spans, received)
			}
		}
	}
}

// keepMetrics is called with mu held.
func (c *collector) keepMetrics(request *collectormetrics.ExportMetricsServiceRequest) {
	for _, resource := range request.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				keys := c.metrics[m.Name]
				if keys == nil {
					keys = map[string]any{}
					c.metrics[m.Name] = keys
				}
				var attributes []*common.KeyValue
				for _, p := range m.GetGauge().GetDataPoints() {
					attributes = append(attributes, p.Attributes...)
				}
				for _, p := range m.GetSum().GetDataPoints() {
					attributes = append(attributes, p.Attributes...)
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					attributes = append(attributes, p.Attributes...)
				}
				for key := range c.texts(attributes) {
					keys[key] = true
				}
			}
		}
	}
}

// texts is called with mu held.
func (c *collector) texts(attributes []*common.KeyValue) map[string]string {
	found := map[string]string{}
	for _, a := range attributes {
		text := a.Value.GetStringValue()
		if text == "" {
			text = a.Value.String()
		}
		found[a.Key] = text
		c.raw.WriteString(a.Key + "=" + text + "\n")
	}
	return found
}

// await waits for a span.
func (c *collector) await(t testing.TB, what string, is func(span) bool) (found span) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range c.spans {
			if is(s) {
				found = s
				return true
			}
		}
		return false
	}, patience, 20*time.Millisecond, "no span of %s came", what)
	return found
}

// all are the spans of a name so far.
func (c *collector) all(name string) (some []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.name == name {
			some = append(some, s)
		}
	}
	return some
}

// said is every text of an attribute, a name or a status that came.
func (c *collector) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}
