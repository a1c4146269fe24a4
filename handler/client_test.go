package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// remote runs commands against an instance.
type remote struct {
	t     *testing.T
	env   []string
	stdin string
}

// against runs commands against a server of its own, with a key for each role.
func against(t *testing.T) (remote, *served) {
	t.Helper()
	s := local(t, "EVENTSTORE_STORE", "memory:", "EVENTSTORE_KEYS", "admin=hunter2,reader=hunter3", "DELIVER_SCHEDULE", "", "PROJECT_SCHEDULE", "", "REPLAY_SCHEDULE", "")
	return remote{t: t, env: []string{"EVENTSTORE_URL", s.url, "EVENTSTORE_KEY", "hunter2"}}, s
}

// typing is the same with something on standard input.
func (c remote) typing(text string) remote {
	c.stdin = text
	return c
}

func (c remote) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	var out, errs bytes.Buffer
	p := process{environment(c.env...), strings.NewReader(c.stdin), &out, &errs}
	code = exitCode(p.run(c.t.Context(), args), &errs)
	require.NotContains(c.t, out.String()+errs.String(), "hunter2", "the key is told")
	return out.String(), errs.String(), code
}

func (c remote) must(args ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.run(args...)
	require.Zero(c.t, code, "%v: %s", args, stderr)
	return stdout
}

// fails expects an exit code and what is told.
func (c remote) fails(code int, told string, args ...string) {
	c.t.Helper()
	stdout, stderr, got := c.run(args...)
	require.Equal(c.t, code, got, "%v: %s%s", args, stdout, stderr)
	require.Contains(c.t, stderr, told, "%v", args)
	require.Equal(c.t, code == 2, strings.Contains(stderr, "Usage:"), "%v: %s", args, stderr)
}

// file writes a file, and returns its name.
func (c remote) file(text string) string {
	c.t.Helper()
	name := filepath.Join(c.t.TempDir(), "file")
	require.NoError(c.t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestTopicsByCommand(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	require.Empty(t, c.must("topics", "list"))
	require.JSONEq(t, `{"name":"orders","adapter":"memory","description":"what was bought"}`, c.must("topics", "create", "orders", "--adapter", "memory", "--description", "what was bought"))
	c.must("topics", "create", "payments")
	require.Equal(t, 2, strings.Count(c.must("topics", "list"), "\n"))
	require.Contains(t, c.must("topics", "show", "orders"), `"head":0`)
	c.must("publish", "orders", "--type", "T")
	require.Contains(t, c.must("topics", "verify", "orders"), `"verified":1`)
	require.Equal(t, "orders\npayments\n:4\n", c.must("__complete", "topics", "show", ""))
	c.must("topics", "delete", "orders")
	c.fails(1, "eventstore: there is no topic of this name; POST /topics registers one (topic-not-found)\n", "topics", "show", "orders")
	c.fails(1, "(invalid-topic)", "topics", "create", "Orders/x")
	c.fails(1, `adapter: "x" is none of those`, "topics", "create", "orders", "--option", "createDirIfNotExist=true", "--adapter", "x")
}

func TestEventsByCommand(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	c.must("topics", "create", "orders")
	c.must("publish", "orders", `{"total":1.50}`, "--type", "Placed", "--subject", "o1", "--tag", "a", "--tag", "b", "--id", "e1", "--source", "/shop",
		"--time", "2026-01-01T00:00:00Z", "--metadata", "correlationid=c-7", "--if-empty")
	require.Contains(t, c.must("query", "orders"), `"id":"e1","type":"Placed","source":"/shop","subject":"o1","tags":["a","b"],"time":"2026-01-01T00:00:00.000000Z"`)
	require.Contains(t, c.must("query", "orders"), `"data":{"total":1.50},"metadata":{"correlationid":"c-7"}`)
	require.Contains(t, c.must("publish", "orders", `{"total":1.50}`, "--type", "Placed", "--subject", "o1", "--id", "e1", "--source", "/shop"), `"duplicate":true`)

	c.fails(1, "(condition-failed); head 1", "publish", "orders", "--type", "T", "--if-empty")
	c.fails(1, "(condition-failed); head 1; position 1", "publish", "orders", "--type", "T", "--fail-if", `{"subjects":["o1"]}`)
	c.must("publish", "orders", "--type", "T", "--fail-if", `{"subjects":["o1"]}`, "--after", "1", "--if-head", "1")
	c.typing(`{"type":"A"}`+"\n"+`{"type":"B","subject":"x,y"}`).must("publish", "orders")
	c.must("publish", "orders", `[{"type":"C"},{"type":"D"}]`)
	c.must("publish", "orders", "--file", c.file("raw bytes"), "--type", "Raw", "--content-type", "text/plain")
	c.typing("[1,2]").must("publish", "orders", "--type", "E", "-")

	types := func(args ...string) (found string) {
		for line := range strings.Lines(c.must(append([]string{"query", "orders"}, args...)...)) {
			_, rest, _ := strings.Cut(line, `"type":"`)
			name, _, _ := strings.Cut(rest, `"`)
			found += name + " "
		}
		return found
	}
	require.Equal(t, "Placed T A B C D Raw E ", types())
	require.Equal(t, "E Raw D ", types("--backward", "--limit", "3"))
	require.Equal(t, "A B ", types("--type", "A", "--type", "B"))
	require.Equal(t, "B ", types("--subject", "x,y"))
	require.Equal(t, "T B ", types("--filter", `{"types":["T"]}`, "--filter", `{"subjects":["x,y"]}`, "--from", "2"))
	require.Equal(t, "Placed ", types("--tag", "b", "--tag", "a", "--since", "2026-01-01T00:00:00Z"))
	require.Empty(t, types("--until", "2026-01-01T00:00:00Z"))
	require.Contains(t, c.must("query", "orders", "--type", "Raw"), `"dataBase64":"cmF3IGJ5dGVz"`)
}

func TestAnImportIsRepeatedWithoutHarm(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	c.must("topics", "create", "orders")
	c.must("topics", "create", "copied")
	var lines strings.Builder
	for i := range 2_500 {
		fmt.Fprintf(&lines, `{"id":"e%d","type":"T","data":{"n":%d.0}}`+"\n\n", i, i)
	}
	file := c.file(lines.String())
	require.JSONEq(t, `{"topic":"orders","first":1,"last":2500,"head":2500,"stored":2500,"duplicates":0}`, c.must("import", "orders", file))
	require.JSONEq(t, `{"topic":"orders","first":1,"last":2500,"head":2500,"stored":0,"duplicates":2500}`, c.must("import", "orders", file))
	exported := c.must("query", "orders")
	require.Contains(t, c.typing(exported).must("import", "copied"), `"stored":2500`)
	require.Contains(t, c.must("query", "copied", "--from", "2500"), `"data":{"n":2499.0}`)

	c.fails(1, `line 3: type`, "import", "orders", c.file(`{"type":"A"}`+"\n\n"+`{"type":""}`))
	c.fails(1, `line 2: it is no JSON object`, "import", "orders", c.file(`{"type":"A","id":"last"}`+"\n"+`[]`))
	require.Contains(t, c.must("query", "orders", "--backward", "--limit", "1"), `"id":"last"`, "what stands before the error is stored")
	c.fails(1, "no such file", "import", "orders", "/none")
}

// cutting answers what a server does, and cuts every stream after some bytes, wherever that is.
func cutting(t *testing.T, s *served, after int64) (url string, cuts *atomic.Int64) {
	t.Helper()
	cuts = new(atomic.Int64)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forwarded := r.Clone(r.Context())
		forwarded.RequestURI = ""
		forwarded.URL.Scheme, forwarded.URL.Host = "http", strings.TrimPrefix(s.url, "http://")
		answer, err := http.DefaultTransport.RoundTrip(forwarded)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer answer.Body.Close()
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		if n, err := io.CopyN(w, answer.Body, after); err == nil && n == after {
			cuts.Add(1)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, cuts
}

func TestWhatIsCutGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	c, s := against(t)
	c.must("topics", "create", "orders")
	var want []string
	for i := range 12 {
		c.must("publish", "orders", fmt.Sprint(i), "--type", "T")
	}
	for line := range strings.Lines(c.must("query", "orders")) {
		want = append(want, line)
	}
	require.Len(t, want, 12)
	for _, command := range []string{"query", "tail"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			url, cuts := cutting(t, s, 1_000)
			cut := remote{t: t, env: []string{"EVENTSTORE_URL", "http://127.0.0.1:1", "EVENTSTORE_KEY", "hunter2"}}
			require.Equal(t, strings.Join(want, ""), cut.must(command, "orders", "--from", "1", "--limit", "12", "--url", url+"/"))
			require.GreaterOrEqual(t, cuts.Load(), int64(3))
		})
	}
}

func TestATailFollowsFromTheHead(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	c.must("topics", "create", "orders")
	c.must("publish", "orders", "--type", "Before")
	tailed := make(chan string)
	go func() {
		var out bytes.Buffer
		p := process{environment(c.env...), strings.NewReader(""), &out, io.Discard}
		_ = p.run(t.Context(), []string{"tail", "orders", "--type", "Wanted", "--limit", "2"})
		tailed <- out.String()
	}()
	for {
		c.must("publish", "orders", "--type", "Wanted")
		c.must("publish", "orders", "--type", "Other")
		select {
		case got := <-tailed:
			require.Equal(t, 2, strings.Count(got, `"type":"Wanted"`), got)
			require.Equal(t, 2, strings.Count(got, "\n"), got)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestSubscriptionsByCommand(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	c.must("topics", "create", "orders")
	made := c.must("subscriptions", "create", "orders", "http://127.0.0.1:1/hook", "--type", "T", "--from", "1", "--batch", "10", "--ttl", "1h", "--name", "n",
		"--secret-file", c.file("whsec_"+strings.Repeat("QUFB", 10)+"\n"))
	_, rest, _ := strings.Cut(made, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	require.Contains(t, c.must("subscriptions", "list", "orders"), `"id":"`+id+`"`)
	require.Equal(t, id+"\n:4\n", c.must("__complete", "subscriptions", "pause", "orders", ""))
	require.Contains(t, c.must("subscriptions", "pause", "orders", id), `"state":"paused"`)
	require.Contains(t, c.must("subscriptions", "rewind", "orders", id, "--from", "1"), `"next":1`)
	require.Contains(t, c.must("subscriptions", "show", "orders", id), `"batch":10`)
	require.Contains(t, c.must("subscriptions", "parked", "orders", id), `"parked":[]`)
	require.Contains(t, c.must("subscriptions", "redrive", "orders", id), id)
	require.Contains(t, c.must("subscriptions", "rotate-secret", "orders", id), "whsec_")
	require.NotContains(t, c.must("subscriptions", "resume", "orders", id), `"state":"paused"`)
	c.must("subscriptions", "delete", "orders", id)
	c.fails(1, "(subscription-not-found)", "subscriptions", "show", "orders", id)
	c.fails(2, "rewind needs --from", "subscriptions", "rewind", "orders", id)
}

func TestProjectionsByCommand(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	c.must("topics", "create", "orders")
	source := c.file(`({key: e => e.subject, on: {Placed: (doc, e) => ({total: e.data})}})`)
	c.must("publish", "orders", "7", "--type", "Placed", "--subject", "o1")
	require.Contains(t, c.must("projections", "try", "totals", "--source", source, "--topic", "orders"), `{"key":"o1","value":{"total":7}}`)
	require.Contains(t, c.typing(`{"type":"Placed","subject":"o2","data":8}`).must("projections", "try", "totals", "--source", source, "--events", "-"), `"total":8`)
	c.must("projections", "put", "totals", "--topic", "orders", "--source", source, "--filter", `{"types":["Placed"]}`, "--schedule", "0 0 3 * * *", "--description", "d")
	require.JSONEq(t, `{"total":7}`, c.must("projections", "documents", "totals", "--key", "o1", "--at-least", "1", "--wait", "20"))
	require.JSONEq(t, `{"key":"o1","value":{"total":7}}`, c.must("projections", "documents", "totals", "--prefix", "o"))
	require.Contains(t, c.must("projections", "list"), `"name":"totals"`)
	require.Equal(t, "totals\n:4\n", c.must("__complete", "projections", "show", ""))
	require.Contains(t, c.must("projections", "rebuild", "totals", "--wait"), `"version":2`)
	require.Contains(t, c.must("projections", "rollback", "totals", "--to", "1"), `"version":1`)
	require.Contains(t, c.must("projections", "pause", "totals"), `"paused"`)
	c.must("projections", "resume", "totals")
	c.fails(1, "eventstore: ", "projections", "skip", "totals", "--topic", "orders", "--position", "1")
	c.fails(1, "line 2, column 1", "projections", "put", "totals", "--topic", "orders", "--source", c.file(`({`))
	c.must("projections", "delete", "totals")
	c.fails(1, "(projection-not-found)", "projections", "show", "totals")
}

func TestCommandLinesThatAreWrong(t *testing.T) {
	t.Parallel()
	c, _ := against(t)
	for told, args := range map[string][]string{
		"needs a command behind it":          {"topics"},
		`has no command "lst"; did you mean`: {"topics", "lst"},
		"accepts 1 arg(s), received 0":       {"query"},
		"unknown flag: --nonsense":           {"query", "orders", "--nonsense"},
		"--from is from 1 on":                {"query", "orders", "--from", "0"},
		"--filter is JSON such as":           {"tail", "orders", "--filter", "{"},
		"exclude each other":                 {"publish", "orders", "--type", "T", "--if-empty", "--if-head", "1"},
		"--after belongs to --fail-if":       {"publish", "orders", "--type", "T", "--after", "1"},
		"the data is not JSON":               {"publish", "orders", "--type", "T", "hello"},
		"--subject describes one event":      {"publish", "orders", "--subject", "s"},
		"not both":                           {"publish", "orders", "{}", "--type", "T", "--file", "f"},
		"--metadata is NAME=VALUE":           {"publish", "orders", "--type", "T", "--metadata", "x"},
		"put needs a --topic":                {"projections", "put", "p"},
		"try needs --events or --topic":      {"projections", "try", "p"},
		"rollback needs --to":                {"projections", "rollback", "p"},
		"skip needs --topic and --position":  {"projections", "skip", "p"},
		"--option is NAME=VALUE":             {"topics", "create", "orders", "--option", "=x"},
		"requires at least 1 arg(s)":         {"import"},
	} {
		c.fails(2, told, args...)
	}
	c.fails(1, "there is no event", "publish", "orders")
	c.fails(1, "event 2: it is no JSON object", "publish", "orders", `[{"type":"T"},7]`)
	c.fails(1, "reading the events: ", "publish", "orders", `{"type":"T"} x`)
}

func TestAnInstanceIsFoundAndItsKeyKept(t *testing.T) {
	t.Parallel()
	c, s := against(t)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with the key %q", r.Header.Get("x-functions-key"))
	}))
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	c.fails(1, "307", "topics", "list", "--url", moved.URL)
	c.fails(1, "307", "health", "--url", moved.URL)
	c.fails(1, "asking http://127.0.0.1:1: ", "topics", "list", "--url", "http://127.0.0.1:1")
	for _, url := range []string{"ftp://x", "127.0.0.1:8080", "http://user:hunter3@host", "http://host?code=hunter3"} {
		_, stderr, code := c.run("topics", "list", "--url", url)
		require.Equal(t, 1, code)
		require.NotContains(t, stderr, "hunter3")
	}
	c.env = []string{"EVENTSTORE_LISTEN", strings.TrimPrefix(s.url, "http://"), "EVENTSTORE_KEY", "hunter3", "EVENTSTORE_KEYS", "reader=x"}
	c.must("topics", "list")
	require.Contains(t, c.must("health"), `"checks"`)
	c.fails(1, "(forbidden)", "topics", "create", "orders")
	c.env[3] = "wrong"
	c.fails(1, "(unauthorized)", "topics", "list")
}

func TestShellsComplete(t *testing.T) {
	t.Parallel()
	c := remote{t: t, env: []string{"EVENTSTORE_URL", "http://127.0.0.1:1"}}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, c.must("completion", shell), "handler", shell)
	}
	require.Contains(t, c.must("__complete", "topics", ""), "create\t")
	require.Contains(t, c.must("__complete", "publish", "orders", "--if"), "--if-empty")
	require.Equal(t, ":4\n", c.must("__complete", "topics", "show", ""), "an instance that does not answer completes nothing")
}
