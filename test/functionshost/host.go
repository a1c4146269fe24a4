package functionshost

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Mode is how the host calls HTTP functions.
type Mode string

// Forwarding is what hosts before 2025 do: they rebuild the request and buffer the answer.
// Proxying is what newer ones do: they stream both.
const (
	Forwarding Mode = "forwarding"
	Proxying   Mode = "proxying"
)

// Config says what to host.
type Config struct {
	App  string // the staged folder, with host.json and the handler in it
	Mode Mode
	// Settings are the app settings, NAME=value, added to this process's environment.
	Settings []string
	// Timers runs the timer functions on their schedules; without it they run on demand alone.
	Timers bool
	// Output gets the handler's output, for a human to read; nil drops it. [Host.Console]
	// has it too.
	Output io.Writer
}

// Host is a running stand-in. Its functions are reached below URL.
type Host struct {
	URL       string
	MasterKey string // opens everything, and /admin
	HostKey   string // opens every function of level "function"

	app         *app
	mode        Mode
	environment []string
	keys        map[string]string
	worker      *worker
	console     *console
	server      *http.Server
	client      *http.Client
	throttle    throttle
	stop        context.CancelFunc
	background  sync.WaitGroup
	invocations atomic.Int64
	lastRuns    sync.Map // of timers: name to the time of the last run
}

// version is what X-Azure-Functions-HostVersion says.
var version = map[Mode]string{Forwarding: "4.1037.0.0", Proxying: "4.1052.200.0"}

// Start reads an app, starts its handler and serves. It does not wait until the handler is
// ready, as the host does not; a call does.
func Start(config Config) (*Host, error) {
	a, err := readApp(config.App)
	if err != nil {
		return nil, err
	}
	if version[config.Mode] == "" {
		return nil, fmt.Errorf("mode %q is neither %q nor %q", config.Mode, Forwarding, Proxying)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	h := &Host{
		URL: "http://" + listener.Addr().String(), MasterKey: rand.Text(), HostKey: rand.Text(),
		app: a, mode: config.Mode, environment: slices.Concat(os.Environ(), config.Settings), keys: map[string]string{},
		console: &console{output: config.Output}, client: newClient(), stop: stop,
		throttle: newThrottle(a.settings.Extensions.HTTP.MaxConcurrentRequests, a.settings.Extensions.HTTP.MaxOutstandingRequests),
	}
	for _, f := range a.functions {
		h.keys[f.name] = rand.Text()
	}
	h.worker = newWorker(a, h.environment, h.console)
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	h.background.Go(func() { h.server.Serve(listener) })
	h.background.Go(func() { h.worker.supervise(ctx) })
	if config.Timers {
		h.background.Go(func() { h.runSchedules(ctx) })
	}
	return h, nil
}

// Close ends the host as Azure does: the handler is killed, without a signal that it could
// catch, and calls under way fail.
func (h *Host) Close() {
	h.stop()
	h.server.Close()
	h.background.Wait()
	h.client.CloseIdleConnections()
}

// Key is the key of one function; "" for a name that there is not.
func (h *Host) Key(function string) string { return h.keys[function] }

// Crash kills the handler, as the kernel may. The host starts it again, but not
// after the third time within half an hour.
func (h *Host) Crash() { h.worker.kill(false) }

// Restart kills the handler and starts it again, as on a change of settings: as often as one likes.
func (h *Host) Restart() { h.worker.kill(true) }

// Console is what the handler has written, as the host logs it: "Information: …",
// "Warning: …" or "Error: …", line by line.
func (h *Host) Console() []string { return h.console.lines() }

// maxBody is the host's limit of a request's body.
const maxBody = 104_857_600

// ServeHTTP answers one request from outside: route, key, throttle, then the handler.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range h.app.settings.Extensions.HTTP.CustomHeaders {
		w.Header().Set(name, value)
	}
	decoded, err := decodePath(r.URL.EscapedPath())
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case h.worker.gone():
		http.Error(w, "Function host is not running.", http.StatusServiceUnavailable)
	case decoded == "/":
		io.WriteString(w, "Your Functions app is up and running")
	case strings.HasPrefix(strings.ToLower(decoded), "/admin/"):
		h.serveAdmin(w, r, decoded)
	default:
		h.serveFunction(w, r, decoded)
	}
}

func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request, decoded string) {
	f := h.route(r.Method, decoded)
	switch {
	case f == nil:
		w.WriteHeader(http.StatusNotFound)
	case !h.allowed(f, r):
		w.WriteHeader(http.StatusUnauthorized)
	case r.ContentLength > maxBody:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case !h.throttle.enter(r.Context()):
		w.WriteHeader(http.StatusTooManyRequests)
	default:
		defer h.throttle.leave()
		h.call(w, r, decoded)
	}
}

// call reads a body that has a length, which the host does in either mode, and calls
// the handler.
func (h *Host) call(w http.ResponseWriter, r *http.Request, decoded string) {
	if r.ContentLength > 0 {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller is gone in the middle of its request
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	call := h.forward
	if h.mode == Proxying {
		call = h.proxy
	}
	if err := call(w, r, decoded); err != nil {
		h.console.note("Error", fmt.Sprintf("invocation failed: %v", err))
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// route is the function that answers: the first by name whose template and methods fit.
func (h *Host) route(method, decoded string) *function {
	for _, f := range h.app.functions {
		listed := f.trigger.Methods == nil || slices.Contains(f.trigger.Methods, strings.ToLower(method))
		if !f.isTimer && listed && f.route.match(decoded) && !h.disabled(f) {
			return f
		}
	}
	return nil
}

func (h *Host) disabled(f *function) bool {
	value, _ := h.setting("AzureWebJobs." + f.name + ".Disabled")
	return strings.EqualFold(value, "true") || value == "1"
}

// allowed reports whether a request has a key for a function: in the header, or else in the query.
func (h *Host) allowed(f *function, r *http.Request) bool {
	key := r.Header.Get("x-functions-key")
	if key == "" {
		key = r.URL.Query().Get("code")
	}
	switch f.authLevel {
	case "anonymous":
		return true
	case "admin":
		return key == h.MasterKey
	}
	return key == h.MasterKey || key == h.HostKey || key == h.keys[f.name]
}

// serveAdmin runs a timer by hand: POST /admin/functions/{name}, with the master key.
func (h *Host) serveAdmin(w http.ResponseWriter, r *http.Request, decoded string) {
	name, found := strings.CutPrefix(decoded, "/admin/functions/")
	switch {
	case r.Header.Get("x-functions-key") != h.MasterKey:
		w.WriteHeader(http.StatusUnauthorized)
	case !found || r.Method != http.MethodPost || h.timer(name) == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		h.background.Go(func() { h.RunTimer(context.Background(), name) })
		w.WriteHeader(http.StatusAccepted)
	}
}

// setting is an app setting, the last of that name.
func (h *Host) setting(name string) (value string, found bool) {
	for _, entry := range h.environment {
		if v, is := strings.CutPrefix(entry, name+"="); is {
			value, found = v, true
		}
	}
	return value, found
}

// invocationID names one call, as the host's GUIDs do.
func (h *Host) invocationID() string {
	return fmt.Sprintf("00000000-0000-0000-0000-%012d", h.invocations.Add(1))
}

// newTrace is a traceparent as the host's own activities make them.
func newTrace() string {
	var id [24]byte
	rand.Read(id[:])
	return fmt.Sprintf("00-%x-%x-00", id[:16], id[16:])
}

var errTimeout = errors.New("functionTimeout was exceeded: the handler is restarted")
