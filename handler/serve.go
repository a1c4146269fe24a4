package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"eventstore/core"
	"eventstore/handler/logging"
)

const (
	// drain is how long requests under way may take to end when the server stops.
	drain = 10 * time.Second
	// openTime bounds the opening of the store when the server starts.
	openTime = 30 * time.Second
)

// errStopped ends the process with an error: the host does not start a handler again that exits 0.
var errStopped = errors.New("stopped by a signal")

// serve serves the API until ctx ends.
func serve(ctx context.Context, p process) error {
	s, err := readSettings(p.getenv)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("%s is %s, which can't be listened on: %w", s.listenSetting(), s.listen, err)
	}
	defer listener.Close()
	stopping, stop := context.WithCancel(context.Background())
	defer stop()
	log := logging.New(p.stdout, s.log)
	if s.telemetry, err = newTelemetry(ctx, s, p.getenv, log); err != nil {
		return err
	}
	defer s.telemetry.Close()
	app, err := newApplication(s, p.getenv, log, stopping)
	if err != nil {
		return err
	}
	if !s.underHost {
		if err := app.greet(ctx, p, s, listener.Addr()); err != nil {
			return err
		}
	}
	halt, err := app.work(s, log)
	if err != nil {
		return errors.Join(err, app.close())
	}
	err = serveUntil(ctx, newServer(app.handler, log), listener, stop)
	halt()
	err = errors.Join(err, app.close())
	if err == nil && s.underHost {
		return errStopped
	}
	return err
}

// work begins what goes on beside the requests: what nudges ask for and, where no host calls them, the timers. It
// ends when the returned function returns.
func (a *application) work(s settings, log *slog.Logger) (halt func(), err error) {
	if s.underHost {
		return follow(a.projections), nil
	}
	stop, err := schedule(s.schedules, a.timers, log)
	if err != nil {
		return nil, err
	}
	leave := follow(a.projections)
	return func() { stop(); leave() }, nil
}

// newServer sets no limit on the time of a whole request: streams last, and the host has its own.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       5 * time.Minute, // well above the host's, which keeps its connections
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serveUntil serves until ctx ends, and then lets the requests under way end.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, stop func()) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("waiting for the requests under way: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// greet opens the store, so that one which can't be used is told at the start, and says in one line
// what is served where.
func (a *application) greet(ctx context.Context, p process, s settings, address net.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if _, err := a.documents.Get(ctx, "health", "none"); err != nil && !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("EVENTSTORE_STORE is %s, which can't be used: %w", s.store, err)
	}
	url, key := "http://"+localName(address), ""
	if len(s.keys) > 0 {
		key = "-H 'x-functions-key: KEY' "
	}
	_, err := fmt.Fprintf(p.stdout, "eventstore %s serves %s on %s - try: curl %s-H 'Content-Type: application/json' -d '{\"name\":\"orders\"}' %s/topics\n",
		version, s.store.String(), url, key, url)
	return err
}

// localName is an address as this machine reaches it.
func localName(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// String names the store without its secrets.
func (s store) String() string {
	if s.adapter == "fs" {
		return "the directory " + strings.TrimSuffix(s.place, "/")
	}
	return s.adapter
}
