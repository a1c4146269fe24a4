package acceptance_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// The README's first screen is run as it stands, but for the address: a port that is free.
func TestTheReadmesFirstStepsWorkAsPasted(t *testing.T) {
	t.Parallel()
	blocks := firstSteps(t)
	require.Len(t, blocks, 5)
	require.Equal(t, "make run\n", blocks[0])
	server := makeRun(t)
	paste := func(block string) string { return strings.ReplaceAll(block, "http://127.0.0.1:8080", server.URL) }

	require.Contains(t, shell(t, paste(blocks[1])), `"name":"orders"`)
	published := shell(t, paste(blocks[2]))
	require.Contains(t, published, `"first":1,"last":1`)
	require.Contains(t, published, `"first":2,"last":2`)
	backward := shell(t, paste(blocks[3]))
	require.Regexp(t, `(?s)"position":2,.*"OrderShipped".*"position":1,.*"OrderPlaced"`, backward)

	// The last command goes on until it is interrupted: it shows what there is and what comes.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tail := exec.CommandContext(ctx, "bash", "-c", paste(blocks[4]))
	tail.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	tail.Cancel = func() error { return syscall.Kill(-tail.Process.Pid, syscall.SIGTERM) }
	output, err := tail.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, tail.Start())
	seen := until(t, output, "event: OrderShipped")
	require.Contains(t, seen, "event: OrderPlaced")
	answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"OrderPaid"}`, "Content-Type", "application/json")
	require.Equal(t, 201, answer.Status, answer.Body)
	until(t, output, "event: OrderPaid")
	cancel()
	require.Error(t, tail.Wait())
}

// firstSteps are the README's shell blocks before its second section.
func firstSteps(t *testing.T) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(text), "\n## What it promises")
	for part := range strings.SplitSeq(first, "```sh\n") {
		if block, _, found := strings.Cut(part, "```"); found && part != first {
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// makeRun runs `make run`, with its store and its address where they disturb nobody.
func makeRun(t *testing.T) *app.Server {
	t.Helper()
	process := app.LaunchWith(t, []string{"make", "-s", "-C", repository(t), "run"}, "EVENTSTORE_STORE=fs:"+t.TempDir())
	t.Cleanup(process.Kill)
	process.AwaitReadyWithin(t, 2*time.Minute)
	return &app.Server{URL: process.URL, Process: process}
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	require.NoError(t, err)
	return string(bytes.TrimSpace(dir))
}

func shell(t *testing.T, script string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "bash", "-ec", script).CombinedOutput()
	require.NoError(t, err, string(output))
	return string(output)
}

// until reads until a text has come, for ten seconds at most.
func until(t *testing.T, output interface{ Read([]byte) (int, error) }, text string) string {
	t.Helper()
	var seen strings.Builder
	found := make(chan bool, 1)
	go func() {
		buffer := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			n, err := output.Read(buffer)
			if err != nil {
				found <- false
				return
			}
			seen.Write(buffer[:n])
		}
		found <- true
	}()
	select {
	case ok := <-found:
		require.True(t, ok, "%q never came", text)
	case <-time.After(10 * time.Second):
		t.Fatalf("%q did not come", text)
	}
	return seen.String()
}
