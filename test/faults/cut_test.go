package faults_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

// smallLog publishes a few requests with the binary and returns the directory of the log, its lines,
// and how many of them make whole requests.
func smallLog(t *testing.T) (dir string, lines []string, whole []int) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "log")
	server := launch(t, t.TempDir())
	server.CreateTopic(t, fsTopic("whole", dir))
	ledger := app.NewLedger("whole", 0)
	for _, events := range []int{1, 1, 2} {
		require.Equal(t, 201, ledger.Publish(t, server, events))
		whole = append(whole, events)
	}
	server.Process.Kill()
	text, err := os.ReadFile(segmentFile(t, dir))
	require.NoError(t, err)
	return dir, strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n"), whole
}

func fsTopic(name, dir string) map[string]any {
	return map[string]any{"name": name, "adapter": "fs", "connection": dir, "options": map[string]string{"createDirIfNotExist": "true"}}
}

// spoil copies a log with its segment changed, and with an identity of its own.
func spoil(t *testing.T, dir string, change func(segment []byte) []byte) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
	segment := segmentFile(t, copied)
	text, err := os.ReadFile(segment)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(segment, change(bytes.Clone(text)), 0o600))
	identity := fmt.Sprintf("{\"id\":\"%032x\"}\n", rand.Uint64())
	require.NoError(t, os.WriteFile(filepath.Join(copied, "log.json"), []byte(identity), 0o600))
	return copied
}

// wholeBefore is how many events of whole requests lie within the first bytes of the segment.
func wholeBefore(lines []string, whole []int, length int) (events int) {
	at := 0
	for _, n := range whole {
		size := 0
		for _, line := range lines[events : events+n] {
			size += len(strings.TrimSuffix(line, "\n")) + 1
		}
		if at += size; at > length {
			return events
		}
		events += n
	}
	return events
}

func TestALogCutAtAnyByteOpensAtItsLastWholeRequest(t *testing.T) {
	t.Parallel()
	dir, lines, whole := smallLog(t)
	size := 0
	for _, line := range lines {
		size += len(strings.TrimSuffix(line, "\n")) + 1
	}
	server := app.Local(t, "EVENTSTORE_STORE=memory:") // for what it registers
	row := report.Begin(t, "truncation", "fs")
	for length := range size + 1 {
		name := fmt.Sprintf("cut-%d", length)
		cut := spoil(t, dir, func(segment []byte) []byte { return segment[:length] })
		server.CreateTopic(t, fsTopic(name, cut))
		events := wholeBefore(lines, whole, length)
		requireEvents(t, server, name, lines[:events])
		row.Inject(1)
		row.Acknowledge(events)
		answer := server.Do(t, "POST", "/topics/"+name+"/events", `{"type":"Next"}`, "Content-Type", "application/json")
		require.Equal(t, 201, answer.Status, "cut at %d: %s", length, answer.Body)
		require.Equal(t, fmt.Sprintf(`"%d"`, events+1), answer.Header.Get("ETag"), "cut at %d", length)
		requireKeptBeside(t, cut, lines, events, length)
	}
	t.Logf("cuts %d, acknowledged requests lost 0", size+1)
}

// requireEvents reads a topic and compares its lines with those that were written.
func requireEvents(t *testing.T, server *app.Server, topic string, lines []string) {
	t.Helper()
	answer := server.Do(t, "GET", "/topics/"+topic+"/events", nil, "Accept", "application/x-ndjson")
	require.Equal(t, 200, answer.Status, answer.Body)
	require.Equal(t, strings.TrimSuffix(strings.Join(lines, ""), "\n"), strings.TrimSuffix(answer.Body, "\n"), topic)
}

// requireKeptBeside checks that what was cut off is still there, in a file beside.
func requireKeptBeside(t *testing.T, dir string, lines []string, events, length int) {
	t.Helper()
	begin := 0
	for _, line := range lines[:events] {
		begin += len(strings.TrimSuffix(line, "\n")) + 1
	}
	kept, err := filepath.Glob(filepath.Join(filepath.Dir(segmentFile(t, dir)), "*.cut-*"))
	require.NoError(t, err)
	if begin == length {
		require.Empty(t, kept, "nothing was torn at %d", length)
		return
	}
	require.Len(t, kept, 1, "cut at %d", length)
	text, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.Equal(t, (strings.Join(lines, "") + "\n")[begin:length], string(text))
}

func TestAByteThatRottedIsNeverServed(t *testing.T) {
	t.Parallel()
	dir, lines, whole := smallLog(t)
	text := strings.Join(lines, "") + "\n"
	server := app.Local(t, "EVENTSTORE_STORE=memory:") // for what it registers
	row := report.Begin(t, "bit flip", "fs")
	step := report.Times(5, 1)
	sound := spoil(t, dir, func(segment []byte) []byte { return segment })
	server.CreateTopic(t, fsTopic("sound", sound))
	requireEvents(t, server, "sound", lines)
	refused := 0
	for at := 0; at < len(text); at += step {
		name := fmt.Sprintf("rot-%d", at)
		row.Inject(1)
		rotten := spoil(t, dir, func(segment []byte) []byte { segment[at] ^= 1; return segment })
		body := fmt.Sprintf(`{"name":%q,"adapter":"fs","connection":%q}`, name, rotten)
		created := server.Do(t, "POST", "/topics", body, "Content-Type", "application/json")
		if created.Status != 201 {
			require.Equal(t, 503, created.Status, "rot at %d: %s", at, created.Body)
			refused++
			continue
		}
		answer := server.Do(t, "GET", "/topics/"+name+"/events", nil, "Accept", "application/x-ndjson")
		require.Contains(t, []int{200, 503}, answer.Status, answer.Body)
		require.True(t, strings.HasPrefix(text, answer.Body), "rot at %d was served: %s", at, answer.Body)
		// Only the last request may be taken for one that was torn.
		require.GreaterOrEqual(t, at, len(strings.Join(lines[:len(lines)-whole[len(whole)-1]], "")), "rot at %d was not found", at)
	}
	require.NotZero(t, refused)
}
