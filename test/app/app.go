// Package app runs the built binary for tests, from outside: as a plain HTTP server, or under a
// stand-in for the Functions host, from the folder that `make package` stages.
package app

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/test/functionshost"
)

// Variable names the environment variable that says where the app was staged for a whole run.
const Variable = "EVENTSTORE_TEST_APP"

// Staged is the folder of the staged app: what is published, and the binary handler in it. Without
// one in the environment it is staged anew, once for a test binary.
func Staged(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(Variable); dir != "" {
		return dir
	}
	staged, err := stage()
	require.NoError(t, err)
	return staged.dir
}

// stagedApp is a folder that is removed when this process has ended.
type stagedApp struct {
	dir   string
	alive io.Closer // the remover acts when this is closed, by the process's end or otherwise
}

var stage = sync.OnceValues(func() (staged stagedApp, err error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return staged, fmt.Errorf("finding the module: %w", err)
	}
	if staged.dir, err = os.MkdirTemp("", "eventstore-app-"); err != nil {
		return staged, err
	}
	if staged.alive, err = removeAtEnd(staged.dir); err != nil {
		return staged, err
	}
	make := exec.Command("make", "-s", "package", "APP="+staged.dir)
	make.Dir = string(bytes.TrimSpace(root))
	if output, err := make.CombinedOutput(); err != nil {
		return staged, fmt.Errorf("make package: %w: %s", err, output)
	}
	return staged, nil
})

func removeAtEnd(dir string) (alive io.Closer, err error) {
	remover := exec.Command("sh", "-c", `cat >/dev/null; rm -rf "$0"`, dir)
	remover.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // so that Ctrl-C is not for it
	if alive, err = remover.StdinPipe(); err != nil {
		return nil, err
	}
	return alive, remover.Start()
}

// Server is the running app, wherever it runs.
type Server struct {
	URL string
	Key string // sent as x-functions-key where it is set

	Process *Process            // in local mode
	Host    *functionshost.Host // under the host
}

// Local starts the binary as a plain HTTP server on a free port, with its store in a directory
// of its own, and ends it with the test. Settings, NAME=value, come on top.
func Local(t testing.TB, settings ...string) *Server {
	t.Helper()
	process := Launch(t, Staged(t), append([]string{"EVENTSTORE_STORE=fs:" + t.TempDir()}, settings...)...)
	t.Cleanup(process.Kill)
	process.AwaitReady(t)
	started.Store(strings.TrimPrefix(process.URL, "http://"), false)
	return &Server{URL: process.URL, Process: process}
}

// Hosted starts the app under the stand-in host, and ends it with the test.
func Hosted(t testing.TB, mode functionshost.Mode, settings ...string) *Server {
	t.Helper()
	host, err := functionshost.Start(functionshost.Config{
		App: Staged(t), Mode: mode, Settings: append([]string{
			"EVENTSTORE_STORE=fs:" + t.TempDir(),
			"PROJECT_SCHEDULE=0 * * * * *", "DELIVER_SCHEDULE=0 * * * * *", "REPLAY_SCHEDULE=0 * * * * *",
		}, settings...),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		host.Close()
		if t.Failed() {
			for _, line := range host.Console() {
				t.Log(line)
			}
		}
	})
	started.Store(strings.TrimPrefix(host.URL, "http://"), true)
	return &Server{URL: host.URL, Key: host.HostKey, Host: host}
}

// Answer is a response that was read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB, into any) {
	t.Helper()
	require.NoError(t, Decode([]byte(a.Body), into), a.Body)
}

// Decode reads JSON into fields of any case, so that tests need no tags.
func Decode(text []byte, into any) error {
	return json.Unmarshal(text, into, json.MatchCaseInsensitiveNames(true))
}

// Do sends a request and reads the answer. body is a string, a []byte, an io.Reader, or nil; header
// are names and values in turn.
func (s *Server) Do(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	request := s.Request(t, method, path, body, header...)
	answer, err := Send(request)
	require.NoError(t, err, "%s %s", method, path)
	return answer
}

// Request makes a request to the server, with its key.
func (s *Server) Request(t testing.TB, method, path string, body any, header ...string) *http.Request {
	t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case string:
		reader = bytes.NewReader([]byte(body))
	case []byte:
		reader = bytes.NewReader(body)
	case io.Reader:
		reader = body
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, reader)
	require.NoError(t, err)
	if s.Key != "" {
		request.Header.Set("x-functions-key", s.Key)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return request
}

// client keeps as many connections as the tests have publishers.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}

// Send sends a request and reads the answer. An error means that there was none; an answer that openapi.json does not
// describe is a mistake of ours, and a panic, so that no test takes it for a broken connection.
func Send(request *http.Request) (Answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	got := Answer{response.StatusCode, response.Header, string(body)}
	if err == nil {
		if wrong := check(request, got); wrong != nil {
			panic(wrong)
		}
	}
	return got, err
}

// CreateTopic registers a topic, and fails the test if it is refused.
func (s *Server) CreateTopic(t testing.TB, config map[string]any) {
	t.Helper()
	body, err := json.Marshal(config)
	require.NoError(t, err)
	answer := s.Do(t, "POST", "/topics", body, "Content-Type", "application/json")
	require.Contains(t, []int{200, 201}, answer.Status, answer.Body)
}
