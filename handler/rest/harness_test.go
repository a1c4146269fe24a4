package rest_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
	"eventstore/handler/rest"
)

// api is the whole API over memory. Every answer that a test gets is held against openapi.json.
type api struct {
	t       *testing.T
	handler http.Handler
	config  rest.Config
	log     *bytes.Buffer
}

// newAPI makes an API without topics; change alters what it is made of.
func newAPI(t *testing.T, change ...func(*rest.Config)) *api {
	t.Helper()
	return newAPIOver(t, new(memory.Documents), new(memory.Topics), change...)
}

func newAPIOver(t *testing.T, documents core.Documents, adapter topics.Adapter, change ...func(*rest.Config)) *api {
	t.Helper()
	registry := topics.New(topics.Config{Documents: documents, Adapters: map[string]topics.Adapter{"memory": adapter}, Default: "memory"})
	publisher := commands.New(registry, commands.Config{})
	t.Cleanup(func() {
		publisher.Close()
		require.NoError(t, registry.Close())
	})
	a := &api{t: t, log: new(bytes.Buffer)}
	a.config = rest.Config{Topics: registry, Publisher: publisher, Reader: queries.New(registry, queries.Config{}), Documents: documents,
		Version: "1.2.3", Log: slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	a.config.Projections = newProjections(t, registry, documents)
	a.config.Subscriptions = newSubscriptions(t, registry, documents)
	for _, change := range change {
		change(&a.config)
	}
	a.handler = rest.New(a.config)
	return a
}

// withTopic registers a topic.
func (a *api) withTopic(name string) *api {
	a.t.Helper()
	a.post("/topics", `{"name":"`+name+`"}`).is(201)
	return a
}

// publishes publishes a body of JSON.
func (a *api) publishes(topic, body string) *api {
	a.t.Helper()
	a.post("/topics/"+topic+"/events", body).is(201)
	return a
}

// answer is what a request got.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (a *api) get(path string, headers ...string) answer {
	a.t.Helper()
	return a.do("GET", path, "", headers...)
}

func (a *api) post(path, body string, headers ...string) answer {
	a.t.Helper()
	return a.do("POST", path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// do sends a request; headers are names and values in turn, and a later one replaces an earlier.
func (a *api) do(method, path, body string, headers ...string) answer {
	a.t.Helper()
	request := httptest.NewRequestWithContext(a.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return a.send(request, body)
}

func (a *api) send(request *http.Request, body string) answer {
	a.t.Helper()
	recorder := httptest.NewRecorder()
	a.handler.ServeHTTP(recorder, request)
	got := answer{a.t, recorder.Code, recorder.Header(), recorder.Body.String()}
	request.Body = io.NopCloser(strings.NewReader(body))
	described(a.t, request, got)
	require.Equal(a.t, "nosniff", got.header.Get("X-Content-Type-Options"))
	require.NotEmpty(a.t, got.header.Get("Cache-Control"))
	return got
}

// is checks the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
	return a
}

// problem checks that the answer is a problem of this code and returns it.
func (a answer) problem(status int, code string) map[string]any {
	a.t.Helper()
	a.is(status)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	members := map[string]any{}
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &members), a.body)
	require.Equal(a.t, code, members["code"], a.body)
	require.Equal(a.t, "/problems/"+code, members["type"])
	require.Equal(a.t, float64(status), members["status"])
	return members
}

// described checks a request and its answer against openapi.json.
func described(t *testing.T, request *http.Request, got answer) {
	t.Helper()
	router, document := description(t)
	route, parameters, err := router.FindRoute(request)
	if err != nil || request.Method == http.MethodHead && route.Method != http.MethodHead {
		require.True(t, request.Method == http.MethodHead || got.status >= 400, "%s %s is not described: %v", request.Method, request.URL, err)
		if request.Method != http.MethodHead {
			problemSchema(t, document, got.body)
		}
		return
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			ExcludeRequestBody: !plainJSON(request.Header.Get("Content-Type"))}}
	if got.status < 300 && !strings.Contains(request.URL.RawQuery, "clientId") {
		require.NoError(t, openapi3filter.ValidateRequest(t.Context(), input), "an accepted request that the description does not allow")
	}
	kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	input.Options.ExcludeResponseBody = kind != "application/json" && kind != "application/problem+json" && kind != "application/cloudevents+json" && kind != "application/cloudevents-batch+json"
	require.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: got.status, Header: got.header, Body: io.NopCloser(strings.NewReader(got.body)), Options: input.Options}),
		"%s %s: %s", request.Method, request.URL, got.body)
}

func plainJSON(contentType string) bool {
	return contentType == "application/json" || contentType == "application/cloudevents+json" || contentType == "application/cloudevents-batch+json"
}

func problemSchema(t *testing.T, document *openapi3.T, body string) {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal([]byte(body), &value), body)
	require.NoError(t, document.Components.Schemas["Problem"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020()), body)
}

var loaded struct {
	router   routers.Router
	document *openapi3.T
}

func description(t *testing.T) (routers.Router, *openapi3.T) {
	t.Helper()
	return loaded.router, loaded.document
}

func TestMain(m *testing.M) {
	if err := loadDescription(); err != nil {
		panic(err)
	}
	m.Run()
}

// loadDescription reads openapi.json as the server answers it.
func loadDescription() (err error) {
	for _, kind := range []string{"application/cloudevents+json", "application/cloudevents-batch+json"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.JSONBodyDecoder)
	}
	recorder := httptest.NewRecorder()
	rest.New(rest.Config{}).ServeHTTP(recorder, httptest.NewRequest("GET", "/openapi.json", nil))
	if loaded.document, err = openapi3.NewLoader().LoadFromData(recorder.Body.Bytes()); err != nil {
		return err
	}
	if err = loaded.document.Validate(context.Background()); err != nil {
		return err
	}
	loaded.document.Servers = nil // so that a request to any host is found
	loaded.router, err = legacy.NewRouter(loaded.document)
	return err
}

func body(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
