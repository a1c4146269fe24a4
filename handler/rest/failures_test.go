package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
	"eventstore/handler/rest"
)

// secret stands for all that a client must never see.
const secret = "postgres://user:hunter2@10.0.0.7/db /var/lib/store"

// failing is a log whose calls fail, once it is told with what.
type failing struct {
	core.Log
	with   *atomic.Pointer[error]
	behind bool // fail reads behind the first event
}

func (f failing) failure() error {
	if err := f.with.Load(); err != nil {
		return *err
	}
	return nil
}

func (f failing) Head(ctx context.Context) (core.Head, error) {
	if err := f.failure(); err != nil && !f.behind {
		return core.Head{}, err
	}
	return f.Log.Head(ctx)
}

func (f failing) Append(ctx context.Context, after core.Head, events []core.Event) error {
	if err := f.failure(); err != nil {
		return err
	}
	return f.Log.Append(ctx, after, events)
}

func (f failing) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		read := 0
		for e, err := range f.Log.Read(ctx, q) {
			if failure := f.failure(); failure != nil && (!f.behind || read > 0) {
				yield(core.Event{}, failure)
				return
			}
			read++
			if !yield(e, err) {
				return
			}
		}
	}
}

// failingTopics opens failing logs, or fails itself.
type failingTopics struct {
	memory.Topics
	log  failing
	open *atomic.Pointer[error]
}

func newFailing() *failingTopics {
	return &failingTopics{log: failing{with: new(atomic.Pointer[error])}, open: new(atomic.Pointer[error])}
}

func (f *failingTopics) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	if err := f.open.Load(); err != nil {
		return nil, "", *err
	}
	log, identity, err := f.Topics.Open(ctx, config, id)
	return failing{log, f.log.with, f.log.behind}, identity, err
}

func TestAFailingStorageIsToldWithoutItsCause(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"it can't be reached", core.ErrUnavailable, 503, "storage-unavailable"},
		{"it is corrupt", &core.CorruptError{Place: secret, Position: 1, Reason: secret}, 503, "storage-unavailable"},
		{"it holds another log", core.ErrForeign, 503, "storage-unavailable"},
		{"it is too slow", context.DeadlineExceeded, 504, "storage-timeout"},
		{"it is too busy", core.ErrTooBusy, 429, "too-busy"},
		{"nobody knows", errors.New("disk on fire"), 503, "storage-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			adapter := newFailing()
			a := newAPIOver(t, new(memory.Documents), adapter).withTopic("orders").publishes("orders", tenEvents())
			err := fmt.Errorf("%w: %s", tt.err, secret)
			adapter.log.with.Store(&err)
			for _, path := range []string{"", "/events", "/events/1"} {
				got := a.get("/topics/orders" + path)
				got.problem(tt.status, tt.code)
				require.NotEmpty(t, got.header.Get("Retry-After"))
				require.NotContains(t, got.body, "hunter2")
				require.NotContains(t, got.body, "/var/lib")
			}
			for _, accept := range []string{"application/x-ndjson", "text/event-stream"} {
				a.get("/topics/orders/events", "Accept", accept).problem(tt.status, tt.code)
			}
			require.Equal(t, tt.status >= 500, strings.Contains(a.log.String(), `"level":"ERROR"`), "what the server is at fault for is in its log")
		})
	}
}

func TestAPublishSaysWhatBecameOfItsEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		err          error
		status       int
		code         string
		outcome      any
		detailPrefix string
	}{
		{"the storage refuses now", core.ErrUnavailable, 503, "storage-unavailable", "not-stored", "the storage"},
		{"the storage refuses for ever", core.ErrRejected, 400, "invalid-request", nil, "the topic's storage can't hold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			adapter := newFailing()
			adapter.log.behind = true // the head can be read
			a := newAPIOver(t, new(memory.Documents), adapter).withTopic("orders").publishes("orders", tenEvents())
			err := fmt.Errorf("%w: %s", tt.err, secret)
			adapter.log.with.Store(&err)
			members := a.post("/topics/orders/events", `{"id":"x","type":"T"}`).problem(tt.status, tt.code)
			if tt.outcome != nil {
				require.Equal(t, tt.outcome, members["outcome"])
			}
			require.Contains(t, members["detail"], tt.detailPrefix)
			require.NotContains(t, members["detail"], "hunter2")
			adapter.log.with.Store(nil)
			a.post("/topics/orders/events", `{"id":"x","type":"T"}`).is(201)
			require.Equal(t, `"11"`, a.do("HEAD", "/topics/orders/events", "").header.Get("ETag"))
		})
	}
}

func TestAnUnknownOutcomeIsToldAsSuch(t *testing.T) {
	t.Parallel()
	adapter := newFailing()
	adapter.log.behind = true
	a := newAPIOver(t, new(memory.Documents), adapter, func(c *rest.Config) {}).withTopic("orders")
	err := fmt.Errorf("%w: %s", core.ErrUnknown, secret)
	adapter.log.with.Store(&err)
	got := a.post("/topics/orders/events", `{"id":"x","type":"T"}`)
	members := got.problem(503, "storage-unavailable")
	require.Equal(t, "unknown", members["outcome"])
	require.NotEmpty(t, got.header.Get("Retry-After"))
}

// damagedBehind is an API over a log that is damaged behind its first event, which has so many bytes of data.
func damagedBehind(t *testing.T, size int) *api {
	t.Helper()
	adapter := newFailing()
	adapter.log.behind = true
	first := `{"type":"A","data":"` + strings.Repeat("x", size) + `"}`
	a := newAPIOver(t, new(memory.Documents), adapter).withTopic("orders").publishes("orders", first).publishes("orders", `{"type":"B"}`)
	err := error(&core.CorruptError{Place: secret, Position: 2, Reason: "a bit"})
	adapter.log.with.Store(&err)
	return a
}

func TestAStreamThatBreaksOffIsCut(t *testing.T) {
	t.Parallel()
	a := damagedBehind(t, 300_000)
	request, err := http.NewRequestWithContext(t.Context(), "GET", a.serve()+"/topics/orders/events", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/x-ndjson")
	got, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, 200, got.StatusCode)
	_, err = io.Copy(io.Discard, got.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a client must not take what it has for all there is")
}

func TestAStreamThatBreaksOffBeforeAnythingOfItWasSentIsAProblem(t *testing.T) {
	t.Parallel()
	got := damagedBehind(t, 10).get("/topics/orders/events", "Accept", "application/x-ndjson")
	require.Contains(t, got.problem(503, "storage-unavailable")["detail"], "damaged")
	require.Empty(t, got.header.Get("Event-Head"))
}

func TestATopicThatCanNotBeOpenedIsNoFaultOfARequest(t *testing.T) {
	t.Parallel()
	documents, adapter := new(memory.Documents), newFailing()
	newAPIOver(t, documents, adapter).withTopic("orders")
	restarted := newFailing()
	a := newAPIOver(t, documents, restarted)
	err := core.Invalid("connection", "the app setting %s is not set", secret)
	restarted.open.Store(&err)
	members := a.get("/topics/orders/events").problem(503, "storage-unavailable")
	require.NotContains(t, members["detail"], "hunter2")
	require.Contains(t, a.post("/topics/orders/events", `{"type":"T"}`).problem(503, "storage-unavailable")["outcome"], "stored")
	a.post("/topics", `{"name":"other"}`).problem(400, "invalid-topic")

	health := a.get("/health").is(200).body
	require.Contains(t, health, `"status":"degraded"`)
	require.Contains(t, health, `"topic:orders":{"status":"degraded"`)
	require.NotContains(t, health, "hunter2")
}

func TestATopicWhoseStorageCanNotBeReachedIsNotRegistered(t *testing.T) {
	t.Parallel()
	adapter := newFailing()
	a := newAPIOver(t, new(memory.Documents), adapter)
	err := fmt.Errorf("%w: %s", core.ErrUnavailable, secret)
	adapter.open.Store(&err)
	a.post("/topics", `{"name":"orders"}`).problem(503, "storage-unavailable")
	require.Equal(t, `{"topics":[]}`+"\n", a.get("/topics").body)
}

// deadDocuments is a store that can't be reached.
type deadDocuments struct{ memory.Documents }

func (*deadDocuments) Get(context.Context, string, string) (core.Document, error) {
	return core.Document{}, fmt.Errorf("%w: %s", core.ErrUnavailable, secret)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	require.Regexp(t, `^\{"status":"ok","version":"1\.2\.3","checks":\{"store":\{"status":"ok","ms":\d+\},"topic:orders":\{"status":"ok","ms":\d+\}\}\}\n$`, a.get("/health").is(200).body)

	a.config.Keys = []rest.Key{{Grant: rest.Grant{Role: rest.Reader}, Secret: "r"}, {Grant: rest.Grant{Role: rest.Publisher}, Secret: "p"}}
	a.handler = rest.New(a.config)
	const short = `{"status":"ok","version":"1.2.3"}` + "\n"
	require.Equal(t, short, a.get("/health").is(200).body)
	require.Equal(t, short, a.get("/health", "x-functions-key", "p").is(200).body)
	require.Contains(t, a.get("/health", "x-functions-key", "r").is(200).body, "topic:orders")

	a.config.Keys, a.config.UnderHost = nil, true
	a.handler = rest.New(a.config)
	require.Equal(t, short, a.get("/health", "x-functions-key", "r").is(200).body, "under the host nobody is known to be a reader here")
}

func TestHealthIsUnavailableWithoutTheStore(t *testing.T) {
	t.Parallel()
	a := newAPIOver(t, new(deadDocuments), new(memory.Topics))
	got := a.get("/health").is(503)
	require.Contains(t, got.body, `{"status":"unavailable","version":"1.2.3","checks":{"store":{"status":"unavailable",`)
	require.NotContains(t, got.body, "hunter2")
	require.NotEmpty(t, got.header.Get("Retry-After"))
	a.get("/").is(204)
}

func TestHealthTellsOfAProjectionThatFails(t *testing.T) {
	t.Parallel()
	a := withProjection(t)
	require.Contains(t, a.get("/health").is(200).body, `"projection:totals":{"status":"ok"}`)
	a.publishes("orders", `{"type":"Poison","subject":"x"}`)
	require.NoError(t, a.config.Projections.Project(t.Context()))
	got := a.get("/health").is(200)
	require.Contains(t, got.body, `{"status":"degraded",`)
	require.Contains(t, got.body, `"projection:totals":{"status":"degraded","reason":"`)
}

func TestAPanicIsAnsweredAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.config.Reader = nil
	a.handler = rest.New(a.config)
	a.get("/topics/orders/events").problem(500, "internal-error")
	require.Contains(t, a.log.String(), `"msg":"panicked"`)
	a.get("/topics").is(200)
}

// panicking is a log whose reads panic behind their first event.
type panicking struct{ core.Log }

func (p panicking) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for e, err := range p.Log.Read(ctx, q) {
			yield(e, err)
			panic("a bug")
		}
	}
}

type panickingTopics struct{ memory.Topics }

func (p *panickingTopics) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	log, identity, err := p.Topics.Open(ctx, config, id)
	return panicking{log}, identity, err
}

func TestAStreamThatPanicsIsCut(t *testing.T) {
	t.Parallel()
	a := newAPIOver(t, new(memory.Documents), new(panickingTopics)).withTopic("orders").publishes("orders", tenEvents())
	request := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/topics/orders/events", nil)
	request.Header.Set("Accept", "application/x-ndjson")
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { a.handler.ServeHTTP(httptest.NewRecorder(), request) })
	require.Contains(t, a.log.String(), `"msg":"panicked"`)
}

func TestALongValueIsNotSentBack(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	long := strings.Repeat("x", 100_000)
	for _, body := range []string{`{"type":"T","metadata":{"a":"` + long + `\u0007"}}`, `{"` + long + `":1}`, `{"type":"T","metadata":{"` + long + `é":1}}`} {
		got := a.post("/topics/orders/events", body)
		got.problem(400, "invalid-request")
		require.Less(t, len(got.body), 2000)
	}
}

func TestNothingIsOpenedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	registry := topics.New(topics.Config{Documents: new(deadDocuments)})
	handler := rest.New(rest.Config{Topics: registry, Publisher: commands.New(registry, commands.Config{}), Reader: queries.New(registry, queries.Config{}), Documents: new(deadDocuments)})
	for _, path := range []string{"/", "/openapi.json", "/problems/forbidden", "/nothing"} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		require.Less(t, answer.Code, 500, path)
	}
}

func TestTheLogSaysWhyAPublishFailed(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	for _, kind := range []string{"application/json", "application/x-ndjson"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, "POST", "/topics/orders/events", strings.NewReader(`{"type":"T"}`))
		r.Header.Set("Content-Type", kind)
		r.Host = "localhost"
		a.log.Reset()
		a.handler.ServeHTTP(httptest.NewRecorder(), r)
		require.Contains(t, a.log.String(), "context canceled", kind)
		require.NotContains(t, a.log.String(), "ERROR", "a client that has gone is no fault of the server")
	}
}
