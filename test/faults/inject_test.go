package faults_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

// The system calls of an append, and those by which files come and go.
var (
	ofAppends  = []string{"write,pwrite64,writev,pwritev", "fsync,fdatasync", "openat", "flock"}
	ofCreation = []string{"renameat,renameat2", "mkdirat", "unlinkat,unlink", "fsync,fdatasync"}
)

// injections are what strace does to the system calls that touch the topic's files. The number
// says which call of each thread it begins with.
func injections() (all [][]string) {
	for _, call := range ofAppends {
		for _, fault := range []string{"error=EIO", "error=ENOSPC", "signal=KILL"} {
			for when := 1; when <= report.Times(3, 12); when++ {
				all = append(all, []string{fmt.Sprintf("%s:%s:when=%d", call, fault, when)})
			}
		}
	}
	// The repair of a failed write fails too, or is killed.
	for _, second := range []string{"ftruncate:error=EIO", "ftruncate:signal=KILL", "fsync,fdatasync:error=EIO"} {
		for when := 1; when <= report.Times(2, 8); when++ {
			all = append(all, []string{fmt.Sprintf("fsync,fdatasync:error=EIO:when=%d+", when), second})
		}
	}
	return all
}

func TestFailingSystemCallsLoseNothing(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("strace")
	require.NoError(t, err, "strace was not found: install the Debian package strace")
	injected := map[string]int{}
	for _, injection := range injections() {
		injected[strings.SplitN(injection[0], ":", 2)[0]] += injectOnce(t, injection)
	}
	t.Logf("injected by system call: %v", injected)
	for _, call := range ofAppends {
		require.NotZero(t, injected[call], "no %s was ever failed", call)
	}
}

// injectOnce publishes while system calls fail, checks what can still be read, and then that an
// ordinary start finds all that was acknowledged. It returns the number of faults.
func injectOnce(t *testing.T, injection []string) int {
	t.Helper()
	store, ledger := t.TempDir(), app.NewLedger("orders", 100)
	ledger.Row = report.Begin(t, "failing system calls", "fs")
	ordinary := launch(t, store)
	ordinary.CreateTopic(t, map[string]any{"name": "orders"})
	require.Equal(t, 201, ledger.Publish(t, ordinary, 2))
	ordinary.Process.Kill()

	trace := filepath.Join(t.TempDir(), "trace")
	broken := launchInjected(t, store, trace, injection)
	for i := range 8 {
		ledger.Publish(t, broken, 1+i%3)
	}
	if !broken.Process.Ended() {
		requireReadable(t, broken, ledger)
	}
	broken.Process.Kill()

	faults := injectedIn(t, trace)
	ledger.Row.Inject(faults)

	var recovered *app.Server
	ledger.Row.Recover(func() {
		recovered = launch(t, store)
		require.Equal(t, 201, ledger.Publish(t, recovered, 3), "after %v", injection)
	})
	ledger.Check(t, recovered)
	ledger.Settle(t, recovered)
	ledger.Check(t, recovered)
	recovered.Process.Kill()
	return faults
}

// A topic whose creation is killed or fails at any system call by which files come and go can be created after the next start.
func TestFailingSystemCallsDuringACreationLeaveNothingInTheWay(t *testing.T) {
	t.Parallel()
	faults := 0
	for _, call := range ofCreation {
		for _, fault := range []string{"error=EIO", "error=ENOSPC", "signal=KILL"} {
			for when := 1; when <= report.Times(2, 12); when++ {
				faults += createOnce(t, fmt.Sprintf("%s:%s:when=%d", call, fault, when))
			}
		}
	}
	require.Greater(t, faults, report.Times(6, 20), "hardly a call was failed")
}

// createOnce creates a topic and publishes while a system call fails, and does both again after an ordinary start.
func createOnce(t *testing.T, injection string) (faults int) {
	t.Helper()
	store, ledger, trace := t.TempDir(), app.NewLedger("orders", 100), filepath.Join(t.TempDir(), "trace")
	ledger.Row = report.Begin(t, "failing system calls", "fs")
	broken := launchTraced(t, store, trace, []string{"-e", "inject=" + injection})
	if answer, err := app.Send(broken.Request(t, "POST", "/topics", `{"name":"orders"}`, "Content-Type", "application/json")); err == nil {
		require.Contains(t, []int{201, 503}, answer.Status, "%s: %s", injection, answer.Body)
		if answer.Status == 201 {
			ledger.Publish(t, broken, 2)
		}
	}
	broken.Process.Kill()
	faults = injectedIn(t, trace)
	ledger.Row.Inject(faults)
	ledger.Row.Recover(func() {
		recovered := launch(t, store)
		recovered.CreateTopic(t, map[string]any{"name": "orders"})
		require.Equal(t, 201, ledger.Publish(t, recovered, 3), "after %s", injection)
		ledger.Settle(t, recovered)
		ledger.Check(t, recovered)
		recovered.Process.Kill()
	})
	return faults
}

// injectedIn counts the faults in what strace wrote.
func injectedIn(t *testing.T, trace string) int {
	t.Helper()
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	return strings.Count(string(text), "(INJECTED)") + strings.Count(string(text), "killed by SIGKILL")
}

// launchInjected starts the binary under strace, which fails calls on the files of the topic's log.
func launchInjected(t *testing.T, store, trace string, injection []string) *app.Server {
	t.Helper()
	var options []string
	for _, path := range logFiles(t, store) {
		options = append(options, "-P", path)
	}
	for _, fault := range injection {
		options = append(options, "-e", "inject="+fault)
	}
	return launchTraced(t, store, trace, options)
}

// launchTraced starts the binary under strace, and waits until it serves or has ended, since a fault may keep it from serving at all.
func launchTraced(t *testing.T, store, trace string, options []string) *app.Server {
	t.Helper()
	command := append([]string{"strace", "-f", "-qq", "-o", trace}, options...)
	process := app.LaunchWith(t, append(command, filepath.Join(app.Staged(t), "handler")), "EVENTSTORE_STORE=fs:"+store)
	t.Cleanup(process.Kill)
	require.Eventually(t, func() bool {
		answer, err := http.Get(process.URL + "/")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil || process.Ended()
	}, time.Minute, 5*time.Millisecond, "the server neither serves nor ends")
	return &app.Server{URL: process.URL, Process: process}
}

// logFiles are the topic's directory and all that is below it: its segments, its lock and its identity.
func logFiles(t *testing.T, store string) (files []string) {
	t.Helper()
	topic := filepath.Dir(filepath.Dir(segmentFile(t, store)))
	err := filepath.WalkDir(topic, func(path string, _ fs.DirEntry, err error) error {
		files = append(files, path)
		return err
	})
	require.NoError(t, err)
	return files
}

// segmentFile is the one segment of a small log below a directory.
func segmentFile(t *testing.T, dir string) (segment string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".ndjson") {
			require.Empty(t, segment, "there are two segments")
			segment = path
		}
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, segment, "there is no segment below %s", dir)
	return segment
}

// requireReadable reads what was acknowledged while the fault is still there. A topic that can't be
// opened because of it is told as unavailable.
func requireReadable(t *testing.T, server *app.Server, ledger *app.Ledger) {
	t.Helper()
	answer, err := app.Send(server.Request(t, "GET", "/topics/orders/events?limit=10000", nil))
	if err != nil {
		return // it was killed by this
	}
	require.Contains(t, []int{200, 503}, answer.Status, answer.Body)
	if answer.Status == 200 {
		require.GreaterOrEqual(t, strings.Count(answer.Body, `"id":"r`), ledger.Acknowledged(), answer.Body)
	}
}
