package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/core"
	"eventstore/core/coretest"
)

// tool runs commands on a store of its own.
type tool struct {
	t   *testing.T
	dir string
}

func newTool(t *testing.T) tool { return tool{t, t.TempDir()} }

func (c tool) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	var out, errs bytes.Buffer
	getenv := func(name string) string {
		return map[string]string{"EVENTSTORE_STORE": "fs:" + filepath.Join(c.dir, "store"), "EVENTSTORE_LOG": "error"}[name]
	}
	code = exitCode(run(c.t.Context(), args, getenv, &out, &errs), &errs)
	return out.String(), errs.String(), code
}

func (c tool) must(args ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.run(args...)
	require.Zero(c.t, code, "%v: %s", args, stderr)
	return stdout
}

// config is a topic in a directory beside the store.
func (c tool) config(name string) string {
	return `{"name":"` + name + `","adapter":"fs","connection":"` + filepath.Join(c.dir, name) + `","options":{"createDirIfNotExist":"true"}}`
}

// fill appends requests to a topic's log, and returns its lines.
func (c tool) fill(name string) []string {
	c.t.Helper()
	adapter := fs.Topics{}
	log, _, err := adapter.Open(c.t.Context(), core.TopicConfig{Name: name, Adapter: "fs", Connection: filepath.Join(c.dir, name),
		Options: map[string]string{"createDirIfNotExist": "true"}}, "")
	require.NoError(c.t, err)
	for i, n := range []int{1, 20, 300} {
		coretest.Append(c.t, log, coretest.Samples(1000*i, n)...)
	}
	return coretest.Lines(c.t, log, core.Query{})
}

func TestATopicIsCopiedExportedRestoredAndChecked(t *testing.T) {
	c := newTool(t)
	lines := c.fill("orders")
	want := strings.Join(lines, "\n") + "\n"

	require.Contains(t, c.must("copy", "--from", c.config("orders"), "--to", c.config("copied")), "copied up to position 321")
	require.Contains(t, c.must("copy", "--to", c.config("copied"), "--from", c.config("orders")), "321", "again is harmless")
	require.Equal(t, want, c.must("export", c.config("copied")))
	require.Equal(t, strings.Join(lines[300:], "\n")+"\n", c.must("export", "--from-position", "301", c.config("copied")))

	file := filepath.Join(c.dir, "events.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
	require.Contains(t, c.must("restore", file, "--to", c.config("restored")), "restored up to position 321")
	require.Contains(t, c.must("fsck", c.config("restored"), c.config("orders")), "ok, 321 events")
	require.Equal(t, want, c.must("export", c.config("restored")))
}

func TestDamageIsTold(t *testing.T) {
	c := newTool(t)
	lines := c.fill("orders")
	file := filepath.Join(c.dir, "events.ndjson")
	lines[200] = strings.Replace(lines[200], `"type":"O`, `"type":"0`, 1)
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600))
	_, stderr, code := c.run("restore", "--to", c.config("restored"), file)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "position")

	segments, err := filepath.Glob(filepath.Join(c.dir, "orders", "log", "*.ndjson"))
	require.NoError(t, err)
	require.NotEmpty(t, segments)
	stored, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	stored[len(stored)/2] ^= 1
	require.NoError(t, os.WriteFile(segments[0], stored, 0o600))
	stdout, stderr, code := c.run("fsck", c.config("orders"))
	require.Equal(t, 1, code, "%s%s", stdout, stderr)
	require.Contains(t, stdout, "corrupt")
	require.Contains(t, stderr, "1 of 1 topics are not right")
}

func TestWrongCommandLines(t *testing.T) {
	c := newTool(t)
	for _, args := range [][]string{
		{"copy"}, {"copy", "--from", "a"}, {"copy", "--from", "a", "--to", "b", "c"}, {"copy", "--nonsense"},
		{"move"}, {"move", "a"}, {"move", "a", "--to", "b"}, {"move", "a", "--to", `{"name":"b","adapter":"fs"}`},
		{"export"}, {"export", "a", "b"}, {"export", "a", "--from-position", "0"}, {"restore", "x"}, {"restore", "--to", "a"}, {"nonsense"},
	} {
		_, stderr, code := c.run(args...)
		require.Equal(t, 2, code, "%v: %s", args, stderr)
		require.Contains(t, stderr, "sage", "%v", args)
	}
	for _, args := range [][]string{
		{"fsck", "none"}, {"fsck", "NoName"}, {"fsck", "{}"}, {"fsck", "{"}, {"fsck", "@/none"}, {"fsck", `{"nme":"a"}`},
		{"export", "none"}, {"restore", "--to", c.config("new"), "/none"}, {"move", "none", "--to", `{"adapter":"fs"}`},
		{"copy", "--from", c.config("one"), "--to", c.config("one")},
	} {
		_, stderr, code := c.run(args...)
		require.Equal(t, 1, code, "%v", args)
		require.Contains(t, stderr, "eventstore: ", "%v", args)
	}
}
