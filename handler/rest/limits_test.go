package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

func TestEveryAnswerTellsBrowsersToMakeNothingOfIt(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"T"}`)
	for _, route := range rest.Routes() {
		got := a.get(pathOf(route, "orders"))
		require.Contains(t, got.header.Get("Content-Security-Policy"), "default-src 'none'", route.Pattern)
		require.Equal(t, "same-origin", got.header.Get("Cross-Origin-Resource-Policy"), route.Pattern)
		require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"), route.Pattern)
		require.NotEmpty(t, got.header.Get("Cache-Control"), route.Pattern)
	}
	require.Equal(t, "no-store", a.get("/topics/orders/events").header.Get("Cache-Control"))
}

func TestAURLIsBounded(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	long := func(n int) string {
		path := "/topics/orders/events?type="
		return path + strings.Repeat("T,", n)[:n-len(path)-1] + "T"
	}
	request := func(path string) answer {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r.RequestURI = path
		return a.send(r, "")
	}
	request(long(16 << 10)).is(200)
	require.Contains(t, request(long(16<<10+1)).problem(400, "invalid-request")["detail"], "16385 bytes")
}

func TestStreamsAndWaitsAreBounded(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.Streams = 2 }).withTopic("orders")
	server := httptest.NewServer(a.handler)
	defer server.Close()
	var open []*http.Response
	for range 2 {
		request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/topics/orders/events", nil)
		require.NoError(t, err)
		request.Header.Set("Accept", "text/event-stream")
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, 200, answer.StatusCode)
		open = append(open, answer)
	}
	for _, headers := range [][]string{{"/topics/orders/events", "text/event-stream"}, {"/topics/orders/events", "application/x-ndjson"}, {"/topics/orders/events?wait=1", "application/json"},
		{"/projections/none/documents?key=k&wait=1", "application/json"}} {
		refused := a.get(headers[0], "Accept", headers[1])
		refused.problem(429, "too-busy")
		require.NotEmpty(t, refused.header.Get("Retry-After"))
	}
	a.get("/topics/orders/events").is(200)
	a.publishes("orders", `{"type":"T"}`)
	require.NoError(t, open[0].Body.Close())
	require.Eventually(t, func() bool {
		return a.get("/topics/orders/events", "Accept", "application/x-ndjson").status == 200
	}, 30*time.Second, 10*time.Millisecond, "a place that was left is free again")
}

// pipes is a listener on connections in memory, so that time can be the bubble's.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	connection, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return connection, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func TestABodyThatDoesNotComeIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, path, kind, key, first, want string }{
		{"a publish", "/topics/orders/events", "application/json", "p", "", "400"},
		{"a publish that stops in its middle", "/topics/orders/events", "application/json", "p", `{"type":`, "400"},
		{"an import that stops behind a line", "/topics/orders/events", "application/x-ndjson", "p", `{"type":"T"}` + "\n" + `{"ty`, "400"},
		{"somebody without a key", "/topics/orders/events", "application/json", "none", "", "401"},
		{"a path that is none", "/none", "application/json", "p", "", "404"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(t).withTopic("orders")
				a.config.Keys = []rest.Key{{Grant: rest.Grant{Role: rest.Publisher}, Secret: "p"}}
				listener := make(pipes)
				server := &http.Server{Handler: rest.New(a.config)}
				done := make(chan error, 1)
				go func() { done <- server.Serve(listener) }()
				client, other := net.Pipe()
				listener <- other
				_, err := fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: localhost\r\nx-functions-key: %s\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n%s", tt.path, tt.key, tt.kind, tt.first)
				require.NoError(t, err)
				begun := time.Now()
				status, err := bufio.NewReader(client).ReadString('\n')
				require.NoError(t, err)
				require.Contains(t, status, " "+tt.want+" ")
				_, err = io.Copy(io.Discard, client)
				require.NoError(t, err, "the connection is closed")
				require.Less(t, time.Since(begun), 5*time.Minute)
				close(listener)
				require.NoError(t, server.Close())
				<-done
			})
		})
	}
}

func TestAStreamOutlastsTheTimeOfABody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t).withTopic("orders")
		listener := make(pipes)
		server := &http.Server{Handler: a.handler}
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		client, other := net.Pipe()
		listener <- other
		_, err := io.WriteString(client, "POST /topics/orders/query HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		require.NoError(t, err)
		begun, beats := time.Now(), 0
		for lines := bufio.NewScanner(client); beats < 40 && lines.Scan(); {
			if strings.HasPrefix(lines.Text(), ":") {
				beats++
			}
		}
		require.Equal(t, 40, beats)
		require.Equal(t, 10*time.Minute, time.Since(begun))
		require.NoError(t, client.Close())
		close(listener)
		require.NoError(t, server.Close())
		<-done
	})
}
