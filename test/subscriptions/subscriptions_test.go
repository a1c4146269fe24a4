// Package subscriptions_test has receivers that others wrote judge what the built binary delivers.
package subscriptions_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// lines are what a receiver has printed.
type lines struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

func (l *lines) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.all...)
}

// start runs a receiver until the test ends, and gathers what it prints.
func start(t *testing.T, command *exec.Cmd, env ...string) *lines {
	t.Helper()
	command.Env = append(os.Environ(), env...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	l, done := new(lines), make(chan struct{})
	go func() {
		defer close(done)
		scanner := bufio.NewScanner(output)
		scanner.Buffer(nil, 4<<20)
		for scanner.Scan() {
			l.mu.Lock()
			l.all = append(l.all, scanner.Text())
			l.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-done
		_ = command.Wait()
	})
	return l
}

// example is one real webhook event of GitHub.
type example struct {
	Name     string
	Examples []json.RawMessage
}

func examples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("../node_modules/@octokit/webhooks-examples/api.github.com/index.json")
	require.NoError(t, err, "the examples are not installed: run `make tools`")
	var all []example
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

// publish publishes n real payloads over 500 subjects, and returns what is to arrive.
func publish(t *testing.T, server *app.Server, n int) map[string]json.RawMessage {
	t.Helper()
	kinds, want := examples(t), map[string]json.RawMessage{}
	for first := 0; first < n; first += 50 {
		var events []map[string]any
		for i := first; i < min(n, first+50); i++ {
			kind := kinds[i%len(kinds)]
			id, data := fmt.Sprint("gh-", i), kind.Examples[i/len(kinds)%len(kind.Examples)]
			want[id] = data
			events = append(events, map[string]any{"id": id, "type": kind.Name, "source": "https://github.com", "subject": fmt.Sprint("repository-", i%500),
				"data": data, "metadata": map[string]any{"n": i, "part": 1.5, "ok": true}})
		}
		answer := post(t, server, "/topics/github/events", events)
		require.Equal(t, 201, answer.Status, answer.Body)
	}
	return want
}

// post sends a value as JSON.
func post(t *testing.T, server *app.Server, path string, value any) app.Answer {
	t.Helper()
	body, err := json.Marshal(value)
	require.NoError(t, err)
	return server.Do(t, "POST", path, string(body), "Content-Type", "application/json")
}

type registered struct {
	ID, Secret string
	Verified   bool
}

func subscribe(t *testing.T, server *app.Server, callback string, more map[string]any) (got registered) {
	t.Helper()
	body := map[string]any{"callback": callback}
	for name, value := range more {
		body[name] = value
	}
	answer := post(t, server, "/topics/github/subscribe?from=1", body)
	require.Equal(t, 201, answer.Status, answer.Body)
	answer.JSON(t, &got)
	return got
}

func TestOthersLibrariesAcceptEveryDelivery(t *testing.T) {
	t.Parallel()
	n := 1000
	if long() {
		n = 10_000
	}
	for _, batch := range []int{1, 20} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			t.Parallel()
			server := app.Local(t, "EVENTSTORE_STORE=memory:", "EVENTSTORE_CALLBACKS=any", "EVENTSTORE_RETRY=0s,20ms,50ms,100ms,500ms,1s")
			server.CreateTopic(t, map[string]any{"name": "github"})
			want := publish(t, server, n)
			judge := start(t, exec.Command("node", "judge.mjs"))
			require.Eventually(t, func() bool { return len(judge.list()) > 0 }, 20*time.Second, 10*time.Millisecond)
			url := "http://127.0.0.1:" + judge.list()[0]
			tell(t, url, secret)
			begun := time.Now()
			sub := subscribe(t, server, url, map[string]any{"batch": batch, "secret": secret})
			require.True(t, sub.Verified, "the judge answers the handshake")
			require.Eventually(t, func() bool { return len(judge.list()) > n }, 5*time.Minute, 20*time.Millisecond)
			t.Logf("%d events to node in %v", n, time.Since(begun))
			requireJudged(t, judge.list()[1:], want)
		})
	}
}

// tell gives the judge the secret.
func tell(t *testing.T, url, secret string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(secret))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	require.NoError(t, response.Body.Close())
}

// requireJudged checks that every event came, as it was published and in order.
func requireJudged(t *testing.T, printed []string, want map[string]json.RawMessage) {
	t.Helper()
	last, seen := map[string]string{}, map[string]bool{}
	for _, line := range printed {
		var e struct {
			ID, Type, Subject, Sequence, Wrong string
			Data                               json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Empty(t, e.Wrong)
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		require.Greater(t, e.Sequence, last[e.Subject], "%s jumped", e.Subject)
		last[e.Subject] = e.Sequence
		require.JSONEq(t, string(want[e.ID]), string(e.Data))
	}
	require.Len(t, seen, len(want))
}

// The receivers of docs/webhooks.md do what they say.
func TestTheReceiversOfTheDocs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		language string
		command  func(t *testing.T, code string) *exec.Cmd
	}{
		{"go", buildGo},
		{"js", runNode},
	} {
		t.Run(tt.language, func(t *testing.T) {
			t.Parallel()
			server := app.Local(t, "EVENTSTORE_STORE=memory:", "EVENTSTORE_CALLBACKS=any", "EVENTSTORE_RETRY=0s,50ms,100ms,500ms,1s,1s,1s,1s,1s,1s")
			server.CreateTopic(t, map[string]any{"name": "github"})
			address := app.FreeAddress(t)
			_, port, _ := strings.Cut(address, ":")
			sub := subscribe(t, server, "http://"+address+"/hook", nil)
			receiver := start(t, tt.command(t, codeOf(t, tt.language)), "SECRET="+sub.Secret, "PORT="+port)
			require.Eventually(t, func() bool {
				response, err := http.Post("http://"+address+"/hook", "application/json", strings.NewReader(`{"type":"forged"}`))
				if err != nil {
					return false
				}
				defer response.Body.Close()
				return response.StatusCode == http.StatusUnauthorized
			}, 20*time.Second, 20*time.Millisecond, "what is not signed is refused")
			answer := post(t, server, "/topics/github/events", []map[string]any{
				{"type": "OrderPlaced", "subject": "order-1", "data": map[string]any{"total": 19.5}}, {"type": "OrderShipped", "subject": "order-1", "data": true}})
			require.Equal(t, 201, answer.Status, answer.Body)
			want := []string{`00000000000000000001 OrderPlaced order-1 {"total":19.5}`, `00000000000000000002 OrderShipped order-1 true`}
			require.Eventually(t, func() bool { return len(receiver.list()) >= 2 }, 20*time.Second, 20*time.Millisecond)
			require.Equal(t, want, receiver.list())
		})
	}
}

// codeOf is the first block of code in a language in docs/webhooks.md.
func codeOf(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/webhooks.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n```"+language+"\n")
	require.True(t, found)
	code, _, _ := strings.Cut(rest, "\n```\n")
	return code
}

// buildGo builds a program with this module's dependencies.
func buildGo(t *testing.T, code string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(code), 0o600))
	binary := filepath.Join(dir, "receiver")
	output, err := exec.Command("go", "build", "-o", binary, filepath.Join(dir, "main.go")).CombinedOutput()
	require.NoError(t, err, string(output))
	return exec.Command(binary)
}

// runNode runs a module beside the packages of test/.
func runNode(t *testing.T, code string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	packages, err := filepath.Abs("../node_modules")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(packages, filepath.Join(dir, "node_modules")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "receiver.mjs"), []byte(code), 0o600))
	return exec.Command("node", filepath.Join(dir, "receiver.mjs"))
}
