package examples_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/examples"
	"eventstore/test/servers"
)

// shell is where the commands of a page are run, one block after the other, as somebody would who reads it.
type shell struct {
	dir         string
	environment []string
	paste       *strings.Replacer // addresses of the page, by those of the test
}

// newShell makes a folder with what a clone has that pages use, and programs: handler is the built binary with the
// server's settings. make is the real one, but it makes nothing here: other tests use what it makes, and hold how.
func newShell(t *testing.T, server *app.Server, settings ...string) *shell {
	t.Helper()
	repository, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir, programs := t.TempDir(), t.TempDir()
	example, err := os.ReadFile(filepath.Join(repository, "local.settings.json.example"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "local.settings.json.example"), example, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(app.Staged(t), "handler"), filepath.Join(programs, "handler")))
	maker, err := exec.LookPath("make")
	require.NoError(t, err)
	wrapper := fmt.Sprintf("#!/bin/sh\n[ \"$1\" != package ] || mkdir -p build/app\nexec '%s' --dry-run --silent -C '%s' \"$@\" >/dev/null\n", maker, repository)
	require.NoError(t, os.WriteFile(filepath.Join(programs, "make"), []byte(wrapper), 0o700))
	return &shell{
		dir: dir, paste: strings.NewReplacer("http://127.0.0.1:8080", server.URL),
		environment: append(append(os.Environ(), settings...), "PATH="+programs+":"+os.Getenv("PATH"), "EVENTSTORE_URL="+server.URL),
	}
}

// run runs a block and returns what it printed.
func (s *shell) run(t *testing.T, page string, block examples.Block) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euc", s.paste.Replace(block.Text))
	command.Dir, command.Env = s.dir, s.environment
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s:%d: %s", page, block.Line, output)
	return string(output)
}

// follow runs a page's blocks of sh from one on, and compares what each prints with the block of text behind it.
func (s *shell) follow(t *testing.T, page string, from int) (ran int) {
	t.Helper()
	blocks, err := examples.Read("../../" + page)
	require.NoError(t, err)
	printed := ""
	for _, block := range blocks {
		switch {
		case block.Line < from:
		case block.Kind == "sh" && block.Needs != "":
			parses(t, page, block)
		case block.Kind == "sh":
			printed = s.run(t, page, block)
			ran++
		case block.Kind == "text":
			require.Equal(t, block.Text, printed, "%s:%d", page, block.Line)
		}
	}
	return ran
}

// parses checks the syntax of what can't be run here.
func parses(t *testing.T, page string, block examples.Block) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-n")
	command.Stdin = strings.NewReader(block.Text)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s:%d: %s", page, block.Line, output)
}

// orders registers the topic that the pages speak of, with some events, and a projection of them.
func orders(t *testing.T, server *app.Server) {
	t.Helper()
	server.CreateTopic(t, map[string]any{"name": "orders"})
	answer := server.Do(t, "POST", "/topics/orders/events", `[{"type":"OrderPlaced","subject":"order-1","data":{"total":19.5}},{"type":"OrderShipped","subject":"order-1"},{"type":"OrderPlaced","subject":"order-2","data":{"total":5}}]`, "Content-Type", "application/json")
	require.Equal(t, 201, answer.Status, answer.Body)
	answer = server.Do(t, "PUT", "/projections/totals", `{"topics":["orders"],"source":"({key: () => \"all\", on: {OrderPlaced: (doc, e) => (doc ?? 0) + e.data.total}})"}`, "Content-Type", "application/json")
	require.Equal(t, 201, answer.Status, answer.Body)
}

// local starts a server, and returns the settings that commands on its storage need.
func local(t *testing.T, more ...string) (*app.Server, []string) {
	t.Helper()
	settings := append([]string{"EVENTSTORE_STORE=fs:" + t.TempDir()}, more...)
	return app.Local(t, settings...), settings
}

func TestTheReadmesOtherCommandsWork(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	first, _, found := strings.Cut(string(text), "\n## What it promises\n")
	require.True(t, found, "what is before is run by test/acceptance")
	server, settings := local(t, "ORDERS_DB="+app.Database(t))
	orders(t, server)
	ran := newShell(t, server, settings...).follow(t, "README.md", strings.Count(first, "\n")+1)
	require.Positive(t, ran)
}

func TestTheCommandsForDeployingWork(t *testing.T) {
	t.Parallel()
	server, settings := local(t, "EVENTSTORE_KEYS=admin=development-admin,publisher=development-publisher,reader=development-reader",
		"EVENTSTORE_POSTGRES="+app.Database(t), "EVENTSTORE_BLOB="+servers.Blob(t))
	require.Positive(t, newShell(t, server, settings...).follow(t, "docs/deploy.md", 0))
}

func TestTheCommandsForOperatingWork(t *testing.T) {
	t.Parallel()
	server, settings := local(t, "ORDERS_DB="+app.Database(t))
	orders(t, server)
	require.Positive(t, newShell(t, server, settings...).follow(t, "docs/operations.md", 0))
}

func TestTheCommandForSubscribingWorks(t *testing.T) {
	t.Parallel()
	server, settings := local(t)
	orders(t, server)
	require.Positive(t, newShell(t, server, settings...).follow(t, "docs/webhooks.md", 0))
}

// measured are pages whose commands take minutes and more: they are the benchmarks and the fault runs themselves.
var measured = map[string]bool{"docs/benchmarks.md": true, "docs/reliability.md": true}

// A page that nobody runs would rot.
func TestEveryPageWithCommandsIsRun(t *testing.T) {
	t.Parallel()
	run := map[string]bool{"README.md": true, "docs/deploy.md": true, "docs/operations.md": true, "docs/webhooks.md": true,
		"examples/README.md": true, "examples/orders/README.md": true}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == "build") {
			return fs.SkipDir
		}
		if name := strings.TrimPrefix(path, "../../"); strings.HasSuffix(name, ".md") && !run[name] {
			blocks, err := examples.Read(path)
			require.NoError(t, err)
			for _, block := range blocks {
				if measured[name] && block.Kind == "sh" {
					parses(t, name, block)
					continue
				}
				require.NotEqual(t, "sh", block.Kind, "%s:%d: no test runs this", name, block.Line)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

func TestABlockIsMarkedExactlyWhereItCannotBeRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, page, wrong string }{
		{"what can be run is not marked", "```sh\nhandler health\n```\n", ""},
		{"what can't is", "<!-- needs: azure -->\n```sh\nazd up\n```\n", ""},
		{"a mark that hides what can be run", "<!-- needs: azure -->\n```sh\nhandler health\n```\n", "does not"},
		{"a mark that lacks", "```sh\nazd up\n```\n", "not marked"},
		{"an unknown mark", "<!-- needs: luck -->\n```sh\nhandler health\n```\n", "nothing is known"},
		{"a block without an end", "```sh\nhandler health\n", "does not end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "page.md")
			require.NoError(t, os.WriteFile(file, []byte(tt.page), 0o600))
			_, err := examples.Read(file)
			if tt.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.wrong)
		})
	}
}

// The reasons that operations.md explains are those that the store gives.
func TestTheIncidentsAreThoseThatHealthTells(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	var source strings.Builder
	for _, dir := range []string{"../../core", "../../handler"} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			source.Write(content)
			return err
		}))
	}
	rows := regexp.MustCompile("(?m)^\\| `(?:store|topic:…|projection:…|subscription:…)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(rows), 8)
	for _, row := range rows {
		for part := range strings.SplitSeq(row[1], "…") {
			if part = strings.TrimSpace(part); len(part) > 4 {
				require.Contains(t, source.String(), part)
			}
		}
	}
}
