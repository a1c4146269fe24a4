package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
	"eventstore/handler/rest"
)

// reader reads the events of a live stream.
type reader struct {
	t       *testing.T
	scanner *bufio.Scanner
	header  http.Header
	stop    func()
}

// follow opens a live stream over a real connection.
func (a *api) follow(url, query string, headers ...string) *reader {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", url+query, nil)
	require.NoError(a.t, err)
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	stop := func() { cancel(); answer.Body.Close() }
	a.t.Cleanup(stop)
	require.Equal(a.t, 200, answer.StatusCode)
	require.Equal(a.t, "text/event-stream", answer.Header.Get("Content-Type"))
	return &reader{a.t, bufio.NewScanner(answer.Body), answer.Header, stop}
}

// next is the next block of lines; "" at the end.
func (r *reader) next() string {
	r.t.Helper()
	var lines []string
	for r.scanner.Scan() {
		if r.scanner.Text() == "" {
			return strings.Join(lines, "\n")
		}
		lines = append(lines, r.scanner.Text())
	}
	return strings.Join(lines, "\n")
}

// event checks that an event comes, of this position and type, with its stored line.
func (r *reader) event(a *api, position, kind string) {
	r.t.Helper()
	line := a.get("/topics/orders/events/" + position).is(200).body
	require.Equal(r.t, "id: "+position+"\nevent: "+kind+"\ndata: "+line, r.next())
}

func TestALiveStreamGoesOn(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `[{"type":"A"},{"type":"B"}]`)
	url := a.serve() + "/topics/orders/events"
	stream := a.follow(url, "")
	require.Equal(t, "2", stream.header.Get("Event-Head"))
	require.Equal(t, "no-store", stream.header.Get("Cache-Control"))
	require.Equal(t, "retry: 1000", stream.next())
	stream.event(a, "1", "A")
	stream.event(a, "2", "B")
	a.publishes("orders", `{"type":"C"}`)
	stream.event(a, "3", "C")
	a.publishes("orders", `[{"type":"D"},{"type":"E"}]`)
	stream.event(a, "4", "D")
	stream.event(a, "5", "E")
}

func TestALiveStreamResumesBehindTheLastEvent(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", tenEvents())
	url := a.serve() + "/topics/orders/events"
	stream := a.follow(url, "?from=2&type=A", "Last-Event-ID", "7")
	require.Equal(t, "retry: 1000", stream.next())
	stream.event(a, "9", "A")
	a.publishes("orders", `[{"type":"B"},{"type":"A"}]`)
	stream.event(a, "12", "A")

	limited := a.follow(url, "?limit=2&from=4")
	require.Equal(t, "retry: 1000", limited.next())
	limited.event(a, "4", "B")
	limited.event(a, "5", "A")
	require.Empty(t, limited.next(), "the limit ends the stream")
}

func TestALiveStreamEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	stopping, stop := context.WithCancel(t.Context())
	a := newAPI(t, func(c *rest.Config) { c.Stopping = stopping }).withTopic("orders")
	stream := a.follow(a.serve()+"/topics/orders/events", "")
	require.Equal(t, "retry: 1000", stream.next())
	stop()
	require.Empty(t, stream.next())
}

func TestALiveStreamEndsWhenItsTopicIsDeleted(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	stream := a.follow(a.serve()+"/topics/orders/events", "")
	require.Equal(t, "retry: 1000", stream.next())
	a.do("DELETE", "/topics/orders", "").is(204)
	require.Empty(t, stream.next())
}

// recorder is what a client has got by now.
type recorder struct {
	mu      sync.Mutex
	header  http.Header
	flushed int
	body    bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.Write(b)
}

func (r *recorder) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushed = r.body.Len()
}

func (r *recorder) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.String()[:r.flushed]
}

// inBubble runs an API in a bubble of its own time, with a topic orders that has these events.
func inBubble(t *testing.T, underHost bool, events []core.Event, test func(t *testing.T, handler http.Handler, publish func(...core.Event))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		registry := topics.New(topics.Config{Documents: new(memory.Documents), Default: "memory", Adapters: map[string]topics.Adapter{"memory": new(memory.Topics)}})
		publisher := commands.New(registry, commands.Config{})
		_, _, err := registry.Create(t.Context(), core.TopicConfig{Name: "orders"})
		require.NoError(t, err)
		publish := func(events ...core.Event) {
			_, err := publisher.Publish(t.Context(), "orders", commands.Request{Events: events})
			require.NoError(t, err)
		}
		if len(events) > 0 {
			publish(events...)
		}
		test(t, rest.New(rest.Config{Topics: registry, Publisher: publisher, Reader: queries.New(registry, queries.Config{}), UnderHost: underHost}), publish)
		publisher.Close()
		require.NoError(t, registry.Close())
	})
}

// stream begins a request and returns what it gets, and how to end it: the time that it took.
func stream(t *testing.T, handler http.Handler, headers ...string) (*recorder, func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	request := httptest.NewRequestWithContext(ctx, "GET", "/topics/orders/events", nil)
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	got, done, begun := &recorder{header: http.Header{}}, make(chan time.Duration), time.Now()
	go func() {
		handler.ServeHTTP(got, request)
		done <- time.Since(begun)
	}()
	return got, func() time.Duration {
		defer cancel()
		select {
		case took := <-done:
			return took
		case <-time.After(10 * time.Minute):
			cancel()
			<-done
			return 0
		}
	}
}

func TestAQuietStreamSendsAComment(t *testing.T) {
	t.Parallel()
	inBubble(t, false, nil, func(t *testing.T, handler http.Handler, publish func(...core.Event)) {
		got, end := stream(t, handler)
		synctest.Wait()
		require.Equal(t, "retry: 1000\n\n", got.got())
		time.Sleep(14 * time.Second)
		publish(core.Event{Type: "T"})
		time.Sleep(14 * time.Second)
		require.NotContains(t, got.got(), ": still here", "an event is as good as a comment")
		require.Contains(t, got.got(), "id: 1\nevent: T\n")
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, strings.Count(got.got(), ": still here\n\n"))
		time.Sleep(30 * time.Second)
		require.Equal(t, 3, strings.Count(got.got(), ": still here\n\n"))
		require.Zero(t, end(), "locally it goes on for ever")
	})
}

func TestUnderTheHostAStreamEndsBeforeTheFrontEndCutsIt(t *testing.T) {
	t.Parallel()
	inBubble(t, true, []core.Event{{Type: "T"}}, func(t *testing.T, handler http.Handler, _ func(...core.Event)) {
		got, end := stream(t, handler, "X-Forwarded-Host", "example.com")
		require.Equal(t, 200*time.Second, end())
		require.Contains(t, got.got(), "id: 1\nevent: T\n")
		require.Equal(t, 13, strings.Count(got.got(), ": still here\n\n"))
	})
}

func TestAStreamThatTheHostBuffersEndsAtTheHead(t *testing.T) {
	t.Parallel()
	inBubble(t, true, []core.Event{{Type: "T"}, {Type: "U"}}, func(t *testing.T, handler http.Handler, _ func(...core.Event)) {
		got, end := stream(t, handler)
		require.Zero(t, end())
		require.Contains(t, got.got(), "id: 2\nevent: U\n")
		require.Equal(t, "2", got.header.Get("Event-Head"))
	})
}

func TestAStreamThatTheHostBuffersWaitsAWhileForAFirstEvent(t *testing.T) {
	t.Parallel()
	inBubble(t, true, nil, func(t *testing.T, handler http.Handler, publish func(...core.Event)) {
		got, end := stream(t, handler)
		require.Equal(t, 20*time.Second, end())
		require.Equal(t, "retry: 1000\n\n", got.got())

		got, end = stream(t, handler)
		time.Sleep(5 * time.Second)
		publish(core.Event{Type: "T"})
		require.Equal(t, 5*time.Second, end())
		require.Contains(t, got.got(), "id: 1\nevent: T\n")
	})
}

func TestAPageWaitsForAFirstEvent(t *testing.T) {
	t.Parallel()
	inBubble(t, false, []core.Event{{Type: "A"}}, func(t *testing.T, handler http.Handler, publish func(...core.Event)) {
		go func() {
			time.Sleep(3 * time.Second)
			publish(core.Event{Type: "A"})
			time.Sleep(4 * time.Second)
			publish(core.Event{Type: "B"})
		}()
		for _, tt := range []struct {
			name, query string
			took        time.Duration
			want        string
		}{
			{"what is there is answered at once", "?wait=60", 0, `"position":1`},
			{"what comes is waited for", "?wait=60&type=B", 7 * time.Second, `"position":3`},
			{"an end of the wait is no error", "?wait=10&from=4", 10 * time.Second, `{"topic":"orders","events":[],"next":4,"head":3}`},
		} {
			begun, answer := time.Now(), httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/topics/orders/events"+tt.query, nil))
			require.Equal(t, 200, answer.Code, tt.name)
			require.Equal(t, tt.took, time.Since(begun), tt.name)
			require.Contains(t, answer.Body.String(), tt.want, tt.name)
		}
	})
}
