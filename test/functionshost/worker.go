package functionshost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// worker is the handler's process, started again by the host's rules.
type worker struct {
	app         *app
	environment []string
	console     *console

	mu      sync.Mutex
	running *running      // guarded by mu; the process, or the last there was
	changed chan struct{} // guarded by mu; closed when running changes or the host stops
	stopped bool          // guarded by mu; the host has given up
	crashes []time.Time   // of supervise alone
}

// running is one process of the handler.
type running struct {
	address  string // http://127.0.0.1:port
	process  *os.Process
	answered bool // GET / was answered, or the process has exited with 0
	wanted   bool // the host itself killed it
}

func newWorker(a *app, environment []string, c *console) *worker {
	return &worker{app: a, environment: environment, console: c, changed: make(chan struct{})}
}

// supervise keeps the handler running until ctx ends; then it kills it.
func (w *worker) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		code, wanted, err := w.runOnce(ctx)
		switch {
		case ctx.Err() != nil || wanted || err == nil && code == intentionalRestart:
		case err == nil && code == 0:
			w.console.note("Information", "the handler exited with 0: it is not started again")
			w.update(func() { w.running.answered = true }) // so that calls fail instead of waiting
			<-ctx.Done()
		case w.countCrash():
			w.console.note("Error", "Exceeded http worker restart retry count. Shutting down Functions Host")
			w.update(func() { w.stopped = true })
			<-ctx.Done()
		}
	}
}

const intentionalRestart = 200

// countCrash reports whether this crash is the third. They are forgotten when the last one is
// half an hour ago.
func (w *worker) countCrash() bool {
	if n := len(w.crashes); n > 0 && time.Since(w.crashes[n-1]) > 30*time.Minute {
		w.crashes = nil
	}
	w.crashes = append(w.crashes, time.Now())
	return len(w.crashes) >= 3
}

// runOnce starts the handler and returns how it ended, and whether the host wanted that.
func (w *worker) runOnce(ctx context.Context) (code int, wanted bool, err error) {
	address, err := freeAddress()
	if err != nil {
		return 0, false, err
	}
	command := w.command(address)
	command.Stdout, command.Stderr = w.console.stream(false), w.console.stream(true)
	if err := command.Start(); err != nil {
		w.console.note("Error", fmt.Sprintf("Failed to start the handler: %v", err))
		return 0, false, err
	}
	current := &running{address: "http://" + address, process: command.Process}
	w.update(func() { w.running = current })
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { w.awaitReady(ctx, current, ended) })
	watching.Go(func() {
		select {
		case <-ctx.Done():
			current.process.Kill()
		case <-ended:
		}
	})
	err = command.Wait()
	close(ended)
	watching.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	current.answered = false
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return failed.ExitCode(), current.wanted, nil
	}
	return 0, current.wanted, err
}

// command is the handler as the host starts it: no shell, no arguments of the host's own.
func (w *worker) command(address string) *exec.Cmd {
	description := w.app.settings.CustomHandler.Description
	dir := filepath.Join(w.app.dir, description.WorkingDirectory)
	program := description.DefaultExecutablePath
	for _, place := range []string{w.app.dir, dir} {
		if path := filepath.Join(place, program); !filepath.IsAbs(program) && exists(path) {
			program = path
		}
	}
	arguments := make([]string, len(description.Arguments))
	for i, argument := range description.Arguments {
		arguments[i] = expand(argument, w.environment)
	}
	_, port, _ := net.SplitHostPort(address)
	command := exec.Command(program, arguments...)
	command.Dir = dir
	command.Env = slices.Concat(w.environment, []string{
		"FUNCTIONS_CUSTOMHANDLER_PORT=" + port, "FUNCTIONS_CUSTOMHANDLER_WORKER_ID=functionshost",
		"FUNCTIONS_HTTPWORKER_PORT=" + port, "FUNCTIONS_HTTPWORKER_ID=functionshost",
		"FUNCTIONS_APP_ROOT_PATH=" + w.app.dir,
	})
	return command
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var settingName = regexp.MustCompile(`%[^%]+%`)

// expand replaces %NAME% by the setting's value, an unset one by nothing.
func expand(text string, environment []string) string {
	return settingName.ReplaceAllStringFunc(text, func(name string) string {
		h := Host{environment: environment}
		value, _ := h.setting(name[1 : len(name)-1])
		return value
	})
}

// awaitReady pings a process until anything answers; too late is a crash.
func (w *worker) awaitReady(ctx context.Context, current *running, ended <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, w.app.starting)
	defer cancel()
	for {
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, current.address+"/", nil)
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			response.Body.Close()
			w.update(func() { current.answered = true })
			return
		}
		select {
		case <-ended:
			return
		case <-ctx.Done():
			current.process.Kill()
			return
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// update changes what mu guards and wakes who waits for it.
func (w *worker) update(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

var errNotReady = errors.New("Initialization timed out")

// address waits for the handler to be ready and tells where it is.
func (w *worker) address(ctx context.Context) (string, error) {
	patience := time.NewTimer(4 * w.app.starting)
	defer patience.Stop()
	for {
		w.mu.Lock()
		current, changed, stopped := w.running, w.changed, w.stopped
		ready := current != nil && current.answered
		w.mu.Unlock()
		if ready {
			return current.address, nil
		}
		if stopped {
			return "", errNotReady
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		case <-patience.C:
			return "", errNotReady
		}
	}
}

// kill kills the process there is. wanted says that the host does it, so that it is no crash.
func (w *worker) kill(wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		return
	}
	w.running.wanted = w.running.wanted || wanted
	w.running.answered = false
	w.running.process.Kill()
}

func (w *worker) gone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return "127.0.0.1:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}
