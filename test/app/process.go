package app

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Process is the binary in local mode.
type Process struct {
	URL string
	Pid int

	command *exec.Cmd
	output  lockedBuffer
	ended   chan struct{}
}

// Launch starts the binary of a staged app in local mode, on a port that is free. It does not wait
// until it serves, and does not end it.
func Launch(t testing.TB, staged string, settings ...string) *Process {
	t.Helper()
	return LaunchWith(t, []string{filepath.Join(staged, "handler")}, settings...)
}

// LaunchWith starts the binary by a command that ends with it, such as strace's.
func LaunchWith(t testing.TB, command []string, settings ...string) *Process {
	t.Helper()
	address := FreeAddress(t)
	p := &Process{URL: "http://" + address, ended: make(chan struct{}), command: exec.Command(command[0], command[1:]...)}
	p.command.Env = slices.Concat(cleanEnvironment(), []string{"EVENTSTORE_LISTEN=" + address}, settings)
	p.command.Dir = t.TempDir()
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	// Of its own group, so that a signal reaches a wrapper's child too.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.command.Start())
	p.Pid = p.command.Process.Pid
	go func() {
		p.command.Wait()
		close(p.ended)
	}()
	return p
}

// cleanEnvironment is this process's without settings of the app.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "EVENTSTORE_") || strings.HasPrefix(entry, "AzureWebJobs") || strings.HasPrefix(entry, "FUNCTIONS_")
	})
}

// AwaitReady waits until the server answers; it fails the test when the process ends before.
func (p *Process) AwaitReady(t testing.TB) {
	t.Helper()
	p.AwaitReadyWithin(t, 30*time.Second)
}

// AwaitReadyWithin is AwaitReady for a command that does something else first.
func (p *Process) AwaitReadyWithin(t testing.TB, patience time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if response, err := http.Get(p.URL + "/"); err == nil {
			response.Body.Close()
			return
		}
		require.True(t, time.Now().Before(deadline) && !p.Ended(), "the server does not serve: %s", p.Output())
	}
}

// Kill ends the process as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid, syscall.SIGKILL)
	<-p.ended
}

// Interrupt ends the process as Ctrl-C does, and returns its exit code.
func (p *Process) Interrupt(t testing.TB) int {
	t.Helper()
	require.NoError(t, syscall.Kill(-p.Pid, syscall.SIGINT))
	return p.Wait(t)
}

// Wait waits until the process has ended by itself, and returns its exit code.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.command.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.Kill()
		t.Fatalf("the process did not end: %s", p.Output())
		return 0
	}
}

// Ended reports whether the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Output is all that the process has written.
func (p *Process) Output() string { return p.output.String() }

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// FreeAddress is a 127.0.0.1:port that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
