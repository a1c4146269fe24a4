package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// output is what a command has written by now.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer
	line  chan string // the first line, once it is there
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := !bytes.Contains(o.bytes.Bytes(), []byte("\n"))
	o.bytes.Write(b)
	if line, _, found := strings.Cut(o.bytes.String(), "\n"); first && found {
		o.line <- line
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String()
}

// served is a server that run runs.
type served struct {
	t      *testing.T
	url    string
	stop   context.CancelFunc
	done   chan error
	stdout *output
}

var address = regexp.MustCompile(`http://[^ ]+`)

// local starts a local server on a free port, and waits for its line.
func local(t *testing.T, env ...string) *served {
	t.Helper()
	s := begin(t, append([]string{"EVENTSTORE_LISTEN", "127.0.0.1:0"}, env...)...)
	select {
	case line := <-s.stdout.line:
		s.url = address.FindString(line)
	case err := <-s.done:
		t.Fatalf("did not start: %v", err)
	}
	return s
}

func begin(t *testing.T, env ...string) *served {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &served{t: t, stop: stop, done: make(chan error, 1), stdout: &output{line: make(chan string, 1)}}
	go func() { s.done <- run(ctx, nil, environment(env...), s.stdout, io.Discard) }()
	t.Cleanup(stop)
	return s
}

// do sends a request, and returns the status and the body.
func (s *served) do(method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return answer.StatusCode, string(got)
}

func (s *served) is(status int, method, path, body string, headers ...string) string {
	s.t.Helper()
	got, answer := s.do(method, path, body, headers...)
	require.Equal(s.t, status, got, answer)
	return answer
}

func TestALocalServerKeepsWhatWasPublished(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := local(t, "EVENTSTORE_STORE", "fs:"+dir)
	require.Contains(t, s.stdout.String(), "serves the directory "+dir+" on "+s.url+" - try: curl ")
	s.is(204, "GET", "/", "")
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
	s.is(201, "POST", "/topics/orders/events", `{"id":"a","type":"T","data":{"n":1.50}}`)
	s.is(201, "POST", "/topics", `{"name":"fleeting","adapter":"memory"}`)
	before := s.is(200, "GET", "/topics/orders/events", "")
	s.stop()
	require.NoError(t, <-s.done, "a stop is no error")

	s = local(t, "EVENTSTORE_STORE", "fs:"+dir)
	require.Equal(t, before, s.is(200, "GET", "/topics/orders/events", ""))
	s.is(200, "POST", "/topics/orders/events", `{"id":"a","type":"T","data":{"n":1.50}}`)
	require.Contains(t, s.is(200, "GET", "/topics/orders/verify", ""), `"verified":1`)
}

func TestALocalServerTakesOnlyThisMachinesRequests(t *testing.T) {
	t.Parallel()
	s := local(t, "EVENTSTORE_STORE", "memory:")
	s.is(403, "POST", "/topics", `{"name":"orders"}`, "Origin", "https://evil.example")
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
}

func TestALocalServerWithKeysAsksForThem(t *testing.T) {
	t.Parallel()
	s := local(t, "EVENTSTORE_STORE", "memory:", "EVENTSTORE_LISTEN", "0.0.0.0:0", "EVENTSTORE_KEYS", "admin=hunter2,reader=hunter3", "EVENTSTORE_LOG", "debug")
	require.Contains(t, s.stdout.String(), "-H 'x-functions-key: KEY'")
	s.is(401, "POST", "/topics", `{"name":"orders"}`)
	s.is(403, "POST", "/topics", `{"name":"orders"}`, "x-functions-key", "hunter3")
	s.is(201, "POST", "/topics?code=hunter2", `{"name":"orders"}`)
	s.is(400, "POST", "/topics?code=hunter2", `{`)
	require.Equal(t, `{"status":"ok","version":"dev"}`+"\n", s.is(200, "GET", "/health", ""))
	require.NotContains(t, s.stdout.String(), "hunter")
}

func TestRequestsUnderWayEndBeforeTheServer(t *testing.T) {
	t.Parallel()
	s := local(t, "EVENTSTORE_STORE", "fs:"+t.TempDir())
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
	const body = `{"id":"a","type":"T"}`
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer connection.Close()
	_, err = fmt.Fprintf(connection, "POST /topics/orders/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	require.NoError(t, err)
	reader := bufio.NewReader(connection)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue") // the handler waits for the body
	s.stop()
	require.Eventually(t, func() bool {
		other, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			other.Close()
		}
		return err != nil
	}, 5*time.Second, time.Millisecond, "the server takes no new connections")
	_, err = io.WriteString(connection, body)
	require.NoError(t, err)
	_, err = reader.ReadString('\n')
	require.NoError(t, err)
	line, err = reader.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "201 Created")
	require.NoError(t, <-s.done)
}

func TestAStreamDoesNotKeepTheServerFromStopping(t *testing.T) {
	t.Parallel()
	s := local(t, "EVENTSTORE_STORE", "memory:")
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
	request, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/topics/orders/events", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	begun := time.Now()
	s.stop()
	require.NoError(t, <-s.done)
	require.Less(t, time.Since(begun), drain)
}

// underHost starts a server as the host does, with a store that is there or not.
func underHost(t *testing.T, store string, env ...string) *served {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	s := begin(t, append([]string{"FUNCTIONS_CUSTOMHANDLER_PORT", port, "EVENTSTORE_STORE", store}, env...)...)
	s.url = "http://127.0.0.1:" + port
	require.Eventually(t, func() bool {
		answer, err := http.Get(s.url)
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
	return s
}

func TestUnderTheHostTheProcessNeverEndsWell(t *testing.T) {
	t.Parallel()
	s := underHost(t, "fs:"+filepath.Join(t.TempDir(), "data"))
	s.is(204, "GET", "/", "")
	s.is(201, "POST", "/topics", `{"name":"orders"}`, "Origin", "https://portal.example")
	require.Contains(t, s.is(400, "POST", "/topics", `{"name":"other","adapter":"memory"}`), "invalid-topic")
	s.stop()
	require.ErrorIs(t, <-s.done, errStopped)
	require.Equal(t, 1, exitCode(errStopped, io.Discard))
}

func TestUnderTheHostTheTimersAreCalled(t *testing.T) {
	t.Parallel()
	s := underHost(t, "fs:"+filepath.Join(t.TempDir(), "data"))
	for _, name := range []string{"project", "deliver", "replay"} {
		require.Contains(t, s.is(200, "POST", "/"+name, `{"Data":{"timer":{}},"Metadata":{}}`), `"Outputs"`)
		require.Contains(t, s.is(404, "GET", "/"+name, ""), "route-not-found")
	}
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "GET /topics/../topics HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(connection).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "404", "no path is redirected")
}

func TestALocalServerFoldsAndDelivers(t *testing.T) {
	t.Parallel()
	delivered := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); r.Method == http.MethodPost && err == nil {
			delivered <- string(body)
		}
	}))
	defer receiver.Close()
	s := local(t, "EVENTSTORE_STORE", "memory:", "DELIVER_SCHEDULE", "", "PROJECT_SCHEDULE", "", "REPLAY_SCHEDULE", "")
	s.is(404, "POST", "/project", "{}")
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
	s.is(201, "PUT", "/projections/totals", `{"topics":["orders"],"source":"({key: e => e.subject, on: {Placed: (doc, e) => ({total: e.data})}})"}`)
	s.is(201, "POST", "/topics/orders/subscribe", `{"callback":"`+receiver.URL+`"}`)
	s.is(201, "POST", "/topics/orders/events", `{"id":"a","type":"Placed","subject":"o1","data":7}`)
	require.JSONEq(t, `{"total":7}`, s.is(200, "GET", "/projections/totals/documents?key=o1&at-least=1&wait=20", ""))
	select {
	case body := <-delivered:
		require.Contains(t, body, `"id":"a"`)
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was delivered")
	}
	s.stop()
	require.NoError(t, <-s.done)
}

func TestAProjectionIsRebuiltByACommand(t *testing.T) {
	t.Parallel()
	store := "fs:" + filepath.Join(t.TempDir(), "data")
	s := local(t, "EVENTSTORE_STORE", store)
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
	s.is(201, "PUT", "/projections/totals", `{"topics":["orders"],"source":"({key: e => e.subject, on: {Placed: (doc, e) => ({total: e.data})}})"}`)
	s.is(201, "POST", "/topics/orders/events", `{"type":"Placed","subject":"o1","data":7}`)
	s.is(200, "GET", "/projections/totals/documents?key=o1&at-least=1&wait=20", "")
	s.stop()
	require.NoError(t, <-s.done)

	var stdout, stderr bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"replay", "totals"}, environment("EVENTSTORE_STORE", store), &stdout, &stderr))
	require.Contains(t, stdout.String(), "projection totals is rebuilt, in ")
	require.Error(t, run(t.Context(), []string{"replay", "none"}, environment("EVENTSTORE_STORE", store), &stdout, &stderr))
	require.ErrorIs(t, run(t.Context(), []string{"replay"}, environment("EVENTSTORE_STORE", store), &stdout, &stderr), errUsage)
}

func TestUnderTheHostNothingIsOpenedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := underHost(t, "fs:"+dir)
	s.is(204, "GET", "/", "")
	_, err := os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, s.stdout.String())
}

func TestUnderTheHostAStoreThatCanNotBeUsedIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s := underHost(t, "fs:"+file)
	s.is(204, "GET", "/", "")
	require.Equal(t, `{"status":"unavailable","version":"dev"}`+"\n", s.is(503, "GET", "/health", ""))
	require.Contains(t, s.stdout.String(), `"check":"store"`)
	require.Contains(t, s.stdout.String(), "not a directory", "the log has the cause")
	got := s.is(503, "POST", "/topics", `{"name":"orders"}`, "X-Azure-Functions-InvocationId", "inv-7")
	require.NotContains(t, got, file)
	require.Contains(t, s.stdout.String(), "not a directory")
	require.Contains(t, s.stdout.String(), `"invocation":"inv-7"`)
	require.NoError(t, os.Remove(file))
	s.is(201, "POST", "/topics", `{"name":"orders"}`)
	s.is(200, "GET", "/health", "")
}

func TestALocalServerRefusesAStoreThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var stderr bytes.Buffer
	err := run(t.Context(), nil, environment("EVENTSTORE_LISTEN", "127.0.0.1:0", "EVENTSTORE_STORE", "fs:"+file), io.Discard, &stderr)
	require.ErrorContains(t, err, "EVENTSTORE_STORE is the directory "+file+", which can't be used: ")
	require.Equal(t, 1, exitCode(err, &stderr))
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}

func TestADatabaseThatCanNotBeReachedIsToldInOneLine(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	err := run(t.Context(), nil, environment("EVENTSTORE_LISTEN", "127.0.0.1:0", "EVENTSTORE_STORE", "postgres://u:hunter2@127.0.0.1:1/x"), io.Discard, &stderr)
	require.Equal(t, 1, exitCode(err, &stderr))
	require.Regexp(t, `^eventstore: EVENTSTORE_STORE is postgres, which can't be used: [^\n]*\n$`, stderr.String())
	require.NotContains(t, stderr.String(), "hunter2")
}

func TestAPortThatIsTakenIsTold(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	err = run(t.Context(), nil, environment("EVENTSTORE_LISTEN", taken.Addr().String(), "EVENTSTORE_STORE", "memory:"), io.Discard, io.Discard)
	require.ErrorContains(t, err, "EVENTSTORE_LISTEN is "+taken.Addr().String()+", which can't be listened on: ")
	require.ErrorContains(t, err, "address already in use")
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, args, stdout, stderr string
		code                       int
	}{
		{"help", "help", "handler [command]", "", 0},
		{"help as others spell it", "--help", "handler [command]", "", 0},
		{"version", "version", "eventstore dev (go", "", 0},
		{"an unknown command", "srve", "", `unknown command "srve"`, 2},
		{"an argument too many", "version now", "", `unknown command "now" for "handler version"`, 2},
		{"an argument of serve", "serve 8080", "", `unknown command "8080" for "handler serve"`, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := exitCode(run(t.Context(), strings.Fields(tt.args), environment(), &stdout, &stderr), &stderr)
			require.Equal(t, tt.code, code)
			require.Contains(t, stdout.String(), tt.stdout)
			require.Contains(t, stderr.String(), tt.stderr)
			require.Equal(t, tt.code == 0, stderr.Len() == 0)
			if tt.code == 2 {
				require.Contains(t, stderr.String(), "Usage:")
			}
		})
	}
}
