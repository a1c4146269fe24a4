package acceptance_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/functions"
	"eventstore/test/app"
	"eventstore/test/functionshost"
)

func TestMemoryIsRefusedUnderTheHost(t *testing.T) {
	t.Parallel()
	server := app.Hosted(t, functionshost.Proxying)
	answer := server.Do(t, "POST", "/topics", `{"name":"orders","adapter":"memory"}`, "Content-Type", "application/json")
	require.Equal(t, 400, answer.Status, answer.Body)
	require.Contains(t, answer.Body, `"code":"invalid-topic"`)
}

func TestEachFunctionHasAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	server := app.Hosted(t, functionshost.Forwarding)
	server.CreateTopic(t, map[string]any{"name": "orders"})
	publisher := &app.Server{URL: server.URL, Key: server.Host.Key("publish")}
	reader := &app.Server{URL: server.URL, Key: server.Host.Key("query")}
	require.Equal(t, 201, publisher.Do(t, "POST", "/topics/orders/events", `{"type":"A"}`, "Content-Type", "application/json").Status)
	require.Equal(t, 401, reader.Do(t, "POST", "/topics/orders/events", `{"type":"A"}`, "Content-Type", "application/json").Status)
	require.Equal(t, 200, reader.Do(t, "GET", "/topics/orders/events", nil).Status)
	require.Equal(t, 401, publisher.Do(t, "GET", "/topics/orders/events", nil).Status)
	require.Equal(t, 401, publisher.Do(t, "DELETE", "/topics/orders", nil).Status)
	stranger := &app.Server{URL: server.URL}
	for _, path := range []string{"/health", "/openapi.json", "/problems/invalid-request"} {
		require.Equal(t, 200, stranger.Do(t, "GET", path, nil).Status, path)
	}
}

func TestHealthTellsAStrangerTheStatusAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := mode.start(t, "EVENTSTORE_KEYS=reader=look")
			stranger := &app.Server{URL: server.URL}
			require.Regexp(t, `^\{"status":"ok","version":"[^"]+"\}\s*$`, stranger.Do(t, "GET", "/health", nil).Body)
		})
	}
}

// What is written to the log under the host says which call it was, and no secret.
func TestLogsNameTheInvocationAndNoKey(t *testing.T) {
	t.Parallel()
	server := app.Hosted(t, functionshost.Forwarding, "EVENTSTORE_LOG=debug")
	stranger := &app.Server{URL: server.URL}
	trace := "4bf92f3577b34da6a3ce929d0e0e4736"
	answer := stranger.Do(t, "GET", "/topics/nobody?code="+server.Key, nil, "traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	require.Equal(t, 404, answer.Status, answer.Body)
	said := func() string { return strings.Join(server.Host.Console(), "\n") }
	require.Eventually(t, func() bool { return strings.Contains(said(), trace) }, 5*time.Second, 10*time.Millisecond, "no line has the trace")
	require.Contains(t, said(), "00000000-0000-0000-0000-00000000000")
	require.NotContains(t, said(), server.Key)
	for _, line := range server.Host.Console() {
		require.Regexp(t, `^Information: \{"time":".*\}$`, line)
	}
}

func TestTheHandlerAnswersThePingBeforeItsStore(t *testing.T) {
	t.Parallel()
	// The store can't be reached, and the app is there all the same.
	server := app.Hosted(t, functionshost.Proxying, "EVENTSTORE_STORE=fs:/proc/nowhere")
	answer := server.Do(t, "GET", "/health", nil)
	require.Equal(t, 503, answer.Status, answer.Body)
	require.Contains(t, answer.Body, `"status":"unavailable"`)
	require.Equal(t, 503, server.Do(t, "GET", "/topics", nil).Status)
}

func TestAHostThatKillsTheHandlerLosesNothing(t *testing.T) {
	t.Parallel()
	for _, way := range []functionshost.Mode{functionshost.Forwarding, functionshost.Proxying} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			server := app.Hosted(t, way)
			server.CreateTopic(t, map[string]any{"name": "orders"})
			for i := range 5 {
				answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"A"}`, "Content-Type", "application/json")
				require.Equal(t, 201, answer.Status, answer.Body)
				server.Host.Restart()
				require.Equal(t, fmt.Sprintf(`"%d"`, i+1), server.Do(t, "HEAD", "/topics/orders/events", nil).Header.Get("ETag"))
			}
		})
	}
}

// tail opens an event stream and returns its lines as they come.
func tail(t *testing.T, server *app.Server, path string) (*http.Response, <-chan string) {
	t.Helper()
	request := server.Request(t, "GET", path, nil, "Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return response, lines
}

func TestAnEventStreamIsLiveWhereTheHostLetsIt(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := mode.start(t)
			server.CreateTopic(t, map[string]any{"name": "orders"})
			one := func() {
				require.Equal(t, 201, server.Do(t, "POST", "/topics/orders/events", `{"type":"A","data":1}`, "Content-Type", "application/json").Status)
			}
			one()
			response, lines := tail(t, server, "/topics/orders/events")
			require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
			require.Equal(t, "1", response.Header.Get("Event-Head"))
			require.Equal(t, "1", nextID(t, lines))
			if mode.name == "forwarding" { // it was buffered: it has ended at the head
				for line := range lines {
					require.NotContains(t, line, "id:")
				}
				return
			}
			one()
			require.Equal(t, "2", nextID(t, lines))
		})
	}
}

// nextID is the id of the next event of a stream.
func nextID(t *testing.T, lines <-chan string) string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line, open := <-lines:
			require.True(t, open, "the stream ended")
			if id, is := strings.CutPrefix(line, "id:"); is {
				return strings.TrimSpace(id)
			}
		case <-deadline:
			t.Fatal("no event came")
		}
	}
}

func TestWaitingEndsWhenAnEventComes(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := mode.start(t)
			server.CreateTopic(t, map[string]any{"name": "orders"})
			answers := make(chan app.Answer, 1)
			waiting := server.Request(t, "GET", "/topics/orders/events?type=B&wait=30", nil)
			go func() {
				answer, _ := app.Send(waiting)
				answers <- answer
			}()
			for _, kind := range []string{"A", "B"} {
				answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"`+kind+`"}`, "Content-Type", "application/json")
				require.Equal(t, 201, answer.Status, answer.Body)
			}
			select {
			case answer := <-answers:
				require.Contains(t, answer.Body, `"position":2`)
			case <-time.After(10 * time.Second):
				t.Fatal("the query still waits")
			}
		})
	}
}

func TestEveryTimerAnswersTheHostAndNobodyElse(t *testing.T) {
	t.Parallel()
	declared, err := functions.All()
	require.NoError(t, err)
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := mode.start(t)
			for _, f := range declared {
				if f.Trigger().Type != "timerTrigger" {
					continue
				}
				// A key of the host's owner opens every route, and there is none.
				answer := server.Do(t, "POST", "/"+f.Name, `{"Data":{},"Metadata":{}}`, "Content-Type", "application/json")
				require.Equal(t, 404, answer.Status, "%s: %s", f.Name, answer.Body)
				if server.Host != nil {
					require.NoError(t, server.Host.RunTimer(t.Context(), f.Name), f.Name)
				}
			}
		})
	}
}

// The host does not start a handler again that exits with 0.
func TestUnderTheHostASignalIsNoSuccess(t *testing.T) {
	t.Parallel()
	free := app.FreeAddress(t)
	_, port, err := net.SplitHostPort(free)
	require.NoError(t, err)
	process := app.Launch(t, app.Staged(t), "FUNCTIONS_CUSTOMHANDLER_PORT="+port, "EVENTSTORE_STORE=fs:"+t.TempDir(),
		"PROJECT_SCHEDULE=0 * * * * *", "DELIVER_SCHEDULE=0 * * * * *", "REPLAY_SCHEDULE=0 * * * * *")
	process.URL = "http://" + free
	process.AwaitReady(t)
	require.NotZero(t, process.Interrupt(t), process.Output())
}

func TestLocalModeSaysHowToBeginAndStopsCleanly(t *testing.T) {
	t.Parallel()
	server := app.Local(t)
	// All that it writes is here only when it has ended.
	require.Equal(t, 0, server.Process.Interrupt(t), server.Process.Output())
	require.Regexp(t, `^eventstore \S+ serves .* on `+server.URL+` .*curl .*\n$`, server.Process.Output())
}

func TestTheCommandLineHelps(t *testing.T) {
	t.Parallel()
	program := filepath.Join(app.Staged(t), "handler")
	for _, tt := range []struct {
		arguments []string
		code      int
		says      string
	}{
		{[]string{"help"}, 0, "Usage:\n  handler"},
		{[]string{"version"}, 0, "eventstore "},
		{[]string{"nonsense"}, 2, `unknown command "nonsense"`},
	} {
		command := exec.Command(program, tt.arguments...)
		output, _ := command.CombinedOutput()
		require.Equal(t, tt.code, command.ProcessState.ExitCode(), string(output))
		require.Contains(t, string(output), tt.says)
	}
}

func TestAWrongSettingStopsTheStartWithOneLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ setting, says string }{
		{"EVENTSTORE_STORE=tape:x", "EVENTSTORE_STORE"},
		{"EVENTSTORE_LISTEN=0.0.0.0:0", "EVENTSTORE_KEYS"},
		{"EVENTSTORE_LISTEN=nowhere", "EVENTSTORE_LISTEN"},
		{"EVENTSTORE_KEYS=owner=secret", "EVENTSTORE_KEYS"},
		{"EVENTSTORE_LOG=loud", "EVENTSTORE_LOG"},
		{"EVENTSTORE_FS_ROOTS=/a,,/b", "EVENTSTORE_FS_ROOTS"},
		{"FUNCTIONS_CUSTOMHANDLER_PORT=x", "FUNCTIONS_CUSTOMHANDLER_PORT"},
	} {
		t.Run(tt.setting, func(t *testing.T) {
			t.Parallel()
			process := app.Launch(t, app.Staged(t), tt.setting)
			require.NotZero(t, process.Wait(t))
			require.Contains(t, process.Output(), tt.says)
			require.Equal(t, 1, strings.Count(process.Output(), "\n"), process.Output())
			require.NotContains(t, process.Output(), "secret")
		})
	}
}
