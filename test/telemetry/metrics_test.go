package telemetry_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"eventstore/handler/telemetry"
	"eventstore/test/app"
	"eventstore/test/functionshost"
)

// busy starts the app and has it do everything that a metric tells of.
func busy(t testing.TB, c *collector) *app.Server {
	t.Helper()
	url, parents := callback(t)
	store := "EVENTSTORE_STORE=fs:" + t.TempDir()
	server := app.Local(t, append(settings(c), store, "EVENTSTORE_KEYS=admin=a,reader=r,publisher=p")...)
	server.Key = "a"
	prepare(t, server, url)
	publish(t, server)
	receiveOne(t, parents)
	other := app.Local(t, store)
	publish(t, other) // so that the first one's next append loses
	publish(t, server)
	answer := server.Do(t, "POST", "/projections/counts/rebuild", nil)
	require.Equal(t, 2, answer.Status/100, answer.Body)
	return server
}

func publish(t testing.TB, server *app.Server) {
	t.Helper()
	answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"OrderPlaced","subject":"order-1"}`, "Content-Type", "application/json")
	require.Equal(t, 201, answer.Status, answer.Body)
}

// Every metric comes by OTLP and in Prometheus's text, with the attributes that the table has, and no other does.
func TestEveryMetricIsToldAndNoOther(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	server := busy(t, c)
	want := map[string][]string{}
	for _, i := range telemetry.Instruments() {
		want[i.Name] = []string{}
		for _, key := range i.Attributes {
			want[i.Name] = append(want[i.Name], string(key))
		}
		slices.Sort(want[i.Name])
	}
	require.EventuallyWithT(t, func(now *assert.CollectT) {
		c.mu.Lock()
		defer c.mu.Unlock()
		got := map[string][]string{}
		for name, keys := range c.metrics {
			got[name] = append([]string{}, slices.Sorted(maps.Keys(keys))...)
		}
		assert.Equal(now, want, got)
	}, patience, 100*time.Millisecond)
	text := scrape(t, server.URL, "r", 200)
	require.Contains(t, text, `eventstore_append_events_total{eventstore_topic="orders"} 2`)
	require.Equal(t, exported(), series(text))
}

// exported are the names that Prometheus has for the metrics.
func exported() []string {
	var names []string
	for _, i := range telemetry.Instruments() {
		name := strings.ReplaceAll(i.Name, ".", "_")
		switch suffix := map[string]string{"s": "_seconds", "By": "_bytes", "1": "_ratio"}[i.Unit]; i.Kind {
		case "counter":
			names = append(names, name+suffix+"_total")
		case "histogram":
			names = append(names, name+suffix+"_bucket", name+suffix+"_count", name+suffix+"_sum")
		default:
			names = append(names, name+suffix)
		}
	}
	slices.Sort(names)
	return names
}

// series are the names of the series in Prometheus's text, but for what tells where they come from.
func series(text string) []string {
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			names[regexp.MustCompile(`^[a-z_]+`).FindString(line)] = true
		}
	}
	delete(names, "target_info")
	return slices.Sorted(maps.Keys(names))
}

func scrape(t testing.TB, url, key string, status int) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", nil)
	require.NoError(t, err)
	request.Header.Set("x-functions-key", key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, string(body))
	return string(body)
}

func TestMetricsAreForReaders(t *testing.T) {
	t.Parallel()
	server := app.Local(t, "EVENTSTORE_KEYS=admin=a,reader=r,publisher=p")
	require.Contains(t, scrape(t, server.URL, "r", 200), "go_goroutine_count")
	require.Contains(t, scrape(t, server.URL, "a", 200), "go_goroutine_count")
	scrape(t, server.URL, "p", 403)
	scrape(t, server.URL, "", 401)
	scrape(t, app.Local(t, "OTEL_SDK_DISABLED=true").URL, "", 404)
	hosted := app.Hosted(t, functionshost.Proxying)
	scrape(t, hosted.URL, hosted.Key, 404)
}

// The table of docs/operations.md is that of the source, row by row.
func TestTheDocumentsTableHasEveryMetric(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	var want []string
	for _, i := range telemetry.Instruments() {
		keys := "–"
		if len(i.Attributes) > 0 {
			keys = ""
			for n, key := range i.Attributes {
				if n > 0 {
					keys += ", "
				}
				keys += "`" + string(key) + "`"
			}
		}
		want = append(want, fmt.Sprintf("| `%s` | %s, %s | %s | %s |", i.Name, i.Kind, i.Unit, keys, i.Says))
	}
	_, section, found := strings.Cut(string(text), "| metric |")
	require.True(t, found)
	var got []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| `") {
			got = append(got, strings.TrimSpace(line))
		} else if strings.TrimSpace(line) == "" {
			break
		}
	}
	require.Equal(t, want, got)
}

// Every metric that a dashboard or a rule asks for is one that there is.
func TestDashboardsAndRulesAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	names, known := regexp.MustCompile(`\b(?:eventstore|http_server|process|go)_[a-z_]+`), exported()
	labels := map[string]bool{}
	for _, i := range telemetry.Instruments() {
		for _, key := range i.Attributes {
			labels[strings.ReplaceAll(string(key), ".", "_")] = true
		}
	}
	for _, file := range []string{"grafana-dashboard.json", "prometheus-rules.yaml"} {
		text := monitoring(t, file)
		asked := names.FindAllString(text, -1)
		require.NotEmpty(t, asked)
		for _, name := range asked {
			require.True(t, labels[name] || slices.Contains(known, name), "%s asks for %s", file, name)
		}
	}
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal([]byte(monitoring(t, "grafana-dashboard.json")), &dashboard))
	require.NotEmpty(t, dashboard.Panels)
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(monitoring(t, "prometheus-rules.yaml")), &rules))
	require.NotEmpty(t, rules.Groups[0].Rules[0].Expr)
}

func monitoring(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile("../../infra/monitoring/" + file)
	require.NoError(t, err)
	return string(text)
}

// Azure's rules ask for metrics by their own names, and for lines of the log that are written.
func TestAzuresRulesAskForWhatIsTold(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../infra/app/alerts.bicep")
	require.NoError(t, err)
	metrics := regexp.MustCompile(`Name == "([a-z.]+)"`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, metrics)
	for _, match := range metrics {
		require.True(t, slices.ContainsFunc(telemetry.Instruments(), func(i telemetry.Instrument) bool { return i.Name == match[1] }), match[1])
	}
	lines := regexp.MustCompile(`Message has "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, lines, 2)
	source := ""
	for _, file := range []string{"../../core/projections/step.go", "../../core/subscribers/settle.go"} {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		source += string(code)
	}
	for _, match := range lines {
		require.Contains(t, source, `"`+strings.ReplaceAll(match[1], `\'`, "'")+`"`)
	}
}
