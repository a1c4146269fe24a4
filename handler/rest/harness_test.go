package rest_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
	"eventstore/handler/rest"
	"eventstore/test/contract"
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
	described(a.t, request, body, got)
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
func described(t *testing.T, request *http.Request, body string, got answer) {
	t.Helper()
	require.NoError(t, contract.Check(request, []byte(body), contract.Answer{Status: got.status, Header: got.header, Body: []byte(got.body)}))
}

// description is openapi.json, read.
func description(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := contract.Document()
	require.NoError(t, err)
	return document
}

func body(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
