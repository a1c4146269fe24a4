package telemetry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"eventstore/test/app"
	"eventstore/test/functionshost"
)

// ways are those in which the app runs.
var ways = []struct {
	name  string
	start func(t testing.TB, settings ...string) *app.Server
}{
	{"local", app.Local},
	{"forwarding", func(t testing.TB, settings ...string) *app.Server {
		return app.Hosted(t, functionshost.Forwarding, settings...)
	}},
	{"proxying", func(t testing.TB, settings ...string) *app.Server {
		return app.Hosted(t, functionshost.Proxying, settings...)
	}},
}

// The caller's trace, as a client or the host's own activity begins it; its flags say that it is not sampled.
const (
	callerTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpan   = "00f067aa0ba902b7"
	callerParent = "00-" + callerTrace + "-" + callerSpan + "-00"
)

// callback receives deliveries, and tells the traceparent of each.
func callback(t testing.TB) (url string, parents <-chan string) {
	came := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			came <- r.Header.Get("traceparent")
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/hook?code=callback-secret", came
}

func receiveOne(t testing.TB, parents <-chan string) string {
	t.Helper()
	select {
	case parent := <-parents:
		return parent
	case <-time.After(patience):
		t.Fatal("no delivery came")
		return ""
	}
}

const counts = `{"topics":["orders"],"source":"({key: e => e.subject, on: {OrderPlaced: doc => ({n: (doc?.n ?? 0) + 1})}})"}`

// prepare registers a topic, a projection and a subscription.
func prepare(t testing.TB, server *app.Server, callback string) {
	t.Helper()
	server.CreateTopic(t, map[string]any{"name": "orders"})
	answer := server.Do(t, "PUT", "/projections/counts", counts, "Content-Type", "application/json")
	require.Equal(t, 201, answer.Status, answer.Body)
	answer = server.Do(t, "POST", "/topics/orders/subscribe", fmt.Sprintf(`{"callback":%q}`, callback), "Content-Type", "application/json")
	require.Contains(t, []int{200, 201}, answer.Status, answer.Body)
}

func settings(c *collector) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=api-key=collector-secret", "OTEL_SERVICE_NAME=shop",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test", "OTEL_METRIC_EXPORT_INTERVAL=500", "EVENTSTORE_CALLBACKS=any", "EVENTSTORE_LOG=debug"}
}

// One publish is seen from the caller's span to the receiver: the request, the publish, the append, the projection's run that links
// to it, and the delivery, whose receiver is told the same trace.
func TestAPublishIsOneTraceFromTheCallerToTheReceiver(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t)
			url, parents := callback(t)
			server := way.start(t, settings(c)...)
			prepare(t, server, url)
			answer := server.Do(t, "POST", "/topics/orders/events?code=query-secret", `{"type":"OrderPlaced","subject":"order-1"}`,
				"Content-Type", "application/json", "traceparent", callerParent)
			require.Equal(t, 201, answer.Status, answer.Body)
			parent := receiveOne(t, parents)

			request := c.await(t, "the request", func(s span) bool {
				return s.name == "POST /topics/{topic}/events" && strings.Contains(s.attributes["http.response.status_code"], "201")
			})
			require.Equal(t, callerTrace, request.trace)
			require.Equal(t, callerSpan, request.parent)
			require.Equal(t, tracepb.Span_SPAN_KIND_SERVER, request.kind)
			require.Equal(t, "orders", request.attributes["eventstore.topic"])
			publish := c.await(t, "the publish", func(s span) bool { return s.name == "publish" && s.parent == request.id })
			require.Equal(t, callerTrace, publish.trace)
			stored := c.await(t, "the append", func(s span) bool { return s.name == "append" && s.parent == publish.id })
			require.Contains(t, stored.links, link{callerTrace, publish.id})
			fold := c.await(t, "the projection's run", func(s span) bool { return s.name == "fold" && len(s.links) > 0 })
			require.Contains(t, fold.links, link{callerTrace, publish.id})
			require.Equal(t, "counts", fold.attributes["eventstore.projection"])
			delivery := c.await(t, "the delivery", func(s span) bool { return s.name == "deliver" && s.parent == publish.id })
			require.Equal(t, "00-"+callerTrace+"-"+delivery.id+"-01", parent, "what the receiver is told")

			event := server.Do(t, "GET", "/topics/orders/events/1", nil)
			require.NotContains(t, event.Body, "traceparent", "the stored event is what was published")
			answer = server.Do(t, "GET", "/topics/nobody", nil, "traceparent", callerParent)
			require.Equal(t, 404, answer.Status)
			said := func() bool { return strings.Contains(logged(server), `"trace":"`+callerTrace+`","span":"`) }
			require.Eventually(t, said, patience, 20*time.Millisecond, "the log names the span")
			requireNoSecrets(t, c, server)
		})
	}
}

// requireNoSecrets looks at all that was sent and logged.
func requireNoSecrets(t testing.TB, c *collector, server *app.Server) {
	t.Helper()
	said, logged := c.said(), logged(server)
	require.Contains(t, said, "publish")
	if server.Host != nil {
		require.NotContains(t, said, server.Key)
	}
	for _, secret := range []string{"query-secret", "callback-secret", "collector-secret"} {
		require.NotContains(t, said, secret)
		require.NotContains(t, logged, secret)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(t, "shop", c.resource["service.name"])
	require.Equal(t, "test", c.resource["deployment.environment"])
	for _, header := range c.headers {
		require.Equal(t, "collector-secret", header.Get("api-key"))
	}
}

// logged is what the app has written so far.
func logged(server *app.Server) string {
	if server.Host != nil {
		return strings.Join(server.Host.Console(), "\n")
	}
	return server.Process.Output()
}

// What the publisher has put into an event's metadata is where a delivery goes on, from whatever instance it is made.
func TestADeliveryGoesOnWithTheTraceInTheMetadata(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	url, parents := callback(t)
	server := app.Local(t, settings(c)...)
	prepare(t, server, url)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"OrderPlaced","subject":"order-1","metadata":{"traceparent":"00-`+trace+`-b7ad6b7169203331-01"}}`,
		"Content-Type", "application/json", "traceparent", callerParent)
	require.Equal(t, 201, answer.Status, answer.Body)
	delivery := c.await(t, "the delivery", func(s span) bool { return s.name == "deliver" })
	require.Equal(t, "b7ad6b7169203331", delivery.parent)
	require.Equal(t, "00-"+trace+"-"+delivery.id+"-01", receiveOne(t, parents))
}

// unsent is in the log where the collector was not waited for any longer.
const unsent = `"msg":"telemetry could not be sent"`

// Under the host the process may be frozen or killed as soon as a timer's run is answered: all is sent by then.
func TestATimersRunIsSentBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	server := app.Hosted(t, functionshost.Proxying, append(settings(c), "OTEL_BSP_SCHEDULE_DELAY=3600000", "OTEL_METRIC_EXPORT_INTERVAL=3600000")...)
	server.CreateTopic(t, map[string]any{"name": "orders"})
	for _, timer := range []string{"project", "deliver", "replay"} {
		require.NoError(t, server.Host.RunTimer(t.Context(), timer))
		runs := c.all("timer " + timer)
		if len(runs) == 0 { // a machine this slow: the run gave up waiting, and says so
			require.Contains(t, logged(server), unsent)
			return
		}
		require.NotEmpty(t, runs[0].parent, "it goes on with the host's trace")
		require.False(t, runs[0].failed)
	}
	if strings.Contains(logged(server), unsent) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Contains(t, c.metrics, "eventstore.timer.duration")
}

// A stop sends what there is.
func TestAStopSendsWhatThereIs(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	server := app.Local(t, append(settings(c), "OTEL_METRIC_EXPORT_INTERVAL=3600000")...)
	server.CreateTopic(t, map[string]any{"name": "orders"})
	require.Equal(t, 0, server.Process.Interrupt(t), server.Process.Output())
	if strings.Contains(logged(server), unsent) { // a machine this slow: the stop gave up waiting, and says so
		return
	}
	require.NotEmpty(t, c.all("POST /topics"))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Contains(t, c.metrics, "http.server.request.duration")
}
