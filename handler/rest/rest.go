// Package rest is the HTTP API: API.md's paths on top of core's topics, commands and queries.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/projections"
	"eventstore/core/queries"
	"eventstore/core/subscribers"
	"eventstore/core/topics"
	"eventstore/handler/logging"
)

// Config is what the API is made of.
type Config struct {
	Topics      *topics.Registry
	Publisher   *commands.Publisher
	Reader      *queries.Reader
	Documents   core.Documents // the instance's own store, for health
	Projections *projections.Projections
	// Subscriptions, whose troubles GET /health tells too.
	Subscriptions *subscribers.Service
	Version       string

	// UnderHost: the Functions host checks keys, buffers answers where it forwards, and cuts at 230 s.
	UnderHost bool
	// Entra: App Service authentication stands before the host, and its principal's roles say who may do what.
	// Where it does not, nothing is believed that a request says of a principal.
	Entra bool
	// Keys are local mode's; without them every request may do all.
	Keys []Key
	// Loopback: the server listens there without keys, so web pages of other sites are kept away.
	Loopback bool
	// Metrics, where set, answers GET /metrics.
	Metrics http.Handler
	// Streams bounds the answers that last at any time: streams, and what waits for something to happen. Default 1000.
	Streams int
	// Load counts the requests that are worked on. Default: one of the handler's own.
	Load *Load
	// Stopping, when done, ends streams and waits, so that the server can stop. Default: never.
	Stopping context.Context
	// Log is told of every answer of 5xx, and of each request at debug. Default: none.
	Log *slog.Logger
}

// The times that the API keeps, apart from those a request states.
const (
	// hostLimit ends what still runs under the host, whose front end cuts at 230 s.
	hostLimit = 200 * time.Second
	// bufferedWait is how long an event stream that the host buffers waits for a first event.
	bufferedWait = 20 * time.Second
	// heartbeat is the time between comments in an event stream.
	heartbeat = 15 * time.Second
)

type api struct {
	Config
	authority authority
	lasting   chan struct{} // holds one for each answer that lasts
	next      http.Handler
}

// New makes the handler of the whole API.
func New(config Config) http.Handler {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Stopping == nil {
		config.Stopping = context.Background()
	}
	if config.Streams <= 0 {
		config.Streams = 1000
	}
	if config.Load == nil {
		config.Load = new(Load)
	}
	a := &api{Config: config, authority: newAuthority(&config), lasting: make(chan struct{}, config.Streams)}
	a.next = a.mux()
	return a
}

// ServeHTTP does what every request needs, whatever its path.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.Load.begin()
	defer a.Load.end()
	defer func() { a.recovered(w, r, recover()) }()
	secure(w.Header())
	if r.ContentLength != 0 {
		impatient(w)
	}
	if !a.Entra {
		strip(r.Header)
	}
	if ctx := logging.Request(r.Context(), r.Header); ctx != r.Context() {
		r = r.WithContext(ctx)
	}
	if a.UnderHost {
		// The host does not tell when it gives up a request, so there is an end of our own.
		ctx, cancel := context.WithTimeout(r.Context(), hostLimit)
		defer cancel()
		r = r.WithContext(ctx)
	}
	if p := a.guard(r); p != nil {
		a.fail(w, r, p)
		return
	}
	a.next.ServeHTTP(w, r)
}

// guard refuses what no route is to see.
func (a *api) guard(r *http.Request) *problem {
	if a.Loopback {
		if p := loopbackGuard(r); p != nil {
			return p
		}
	}
	if a.Entra {
		if p := sessionGuard(r); p != nil {
			return p
		}
	}
	if len(r.RequestURI) > longestURL {
		return invalidRequest("the URL", fmt.Sprintf("has %d bytes, and at most %d are read; POST /topics/{topic}/query takes long filters", len(r.RequestURI), longestURL))
	}
	if !tidy(r.URL.EscapedPath()) {
		return &problem{Code: "route-not-found", Detail: "there is no path " + quoted(clip(r.URL.Path))}
	}
	return nil
}

// endpoint serves a route to those who may.
func (a *api) endpoint(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w, ok := w.(observer); ok {
			w.Answers(route.Pattern, r.PathValue("topic"))
		}
		if p := a.authority.check(r, route.Role, r.PathValue("topic")); p != nil {
			a.fail(w, r, p)
			return
		}
		if err := route.serve(a, w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// fail answers with an error. What a server error was is for the log alone.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.cause != nil {
		err = p.cause
	}
	if level := levelOf(p, err); a.Log.Enabled(r.Context(), level) {
		a.Log.Log(r.Context(), level, "answered with a problem", "method", r.Method, "path", r.URL.Path, "code", p.Code, "cause", err)
	}
	p.write(w)
}

// levelOf is that at which a problem is logged: what the server is at fault for is an error. That a projection is behind is none: a
// reader asked for what is not there yet.
func levelOf(p *problem, err error) slog.Level {
	if p.status() < 500 || p.Code == "projection-behind" || errors.Is(err, context.Canceled) {
		return slog.LevelDebug
	}
	return slog.LevelError
}

// recovered answers a request whose handler panicked, and keeps the process alive.
func (a *api) recovered(w http.ResponseWriter, r *http.Request, cause any) {
	switch cause {
	case nil:
	case http.ErrAbortHandler:
		panic(cause)
	default:
		a.Log.ErrorContext(r.Context(), "panicked", "method", r.Method, "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
		if w.Header().Get("Event-Head") != "" { // a stream has begun, and must not end as if it were whole
			panic(http.ErrAbortHandler)
		}
		(&problem{Code: "internal-error", Detail: "the server failed; its log says more"}).write(w)
	}
}

// untilStopping is a request's context that also ends when the server stops.
func (a *api) untilStopping(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(a.Stopping, cancel)
	return ctx, func() { stop(); cancel() }
}
