package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"eventstore/adapters/fs"
	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
	"eventstore/handler/rest"
)

// application is everything that serves, put together. Nothing of it touches storage before it is used.
type application struct {
	documents *lazyDocuments
	registry  *topics.Registry
	publisher *commands.Publisher
	handler   http.Handler
}

// newApplication puts the application together. stopping ends its streams and waits.
func newApplication(s settings, getenv func(string) string, log *slog.Logger, stopping context.Context) (*application, error) {
	open, err := openerOf(s.store)
	if err != nil {
		return nil, err
	}
	a := &application{documents: &lazyDocuments{open: open}}
	a.registry = topics.New(topics.Config{
		Documents: a.documents,
		Adapters:  adaptersOf(s),
		Default:   s.store.adapter,
		Setting:   func(name string) (string, bool) { value := getenv(name); return value, value != "" },
		Log:       log,
	})
	a.publisher = commands.New(a.registry, commands.Config{Log: log})
	a.handler = rest.New(rest.Config{
		Topics:    a.registry,
		Publisher: a.publisher,
		Reader:    queries.New(a.registry, queries.Config{Log: log}),
		Documents: a.documents,
		Version:   version,
		UnderHost: s.underHost,
		Keys:      s.keys,
		Loopback:  !s.underHost && s.loopback && len(s.keys) == 0,
		Stopping:  stopping,
		Log:       log,
	})
	return a, nil
}

// close lets what is under way end, and lets go of the storage.
func (a *application) close() error {
	a.publisher.Close()
	return errors.Join(a.registry.Close(), a.documents.Close())
}

// openerOf opens the instance's documents, when they are first used.
func openerOf(s store) (func(context.Context) (core.Documents, error), error) {
	switch s.adapter {
	case "memory":
		return func(context.Context) (core.Documents, error) { return new(memory.Documents), nil }, nil
	case "fs":
		return func(context.Context) (core.Documents, error) { return fs.OpenDocuments(s.place) }, nil
	}
	return nil, &settingError{"EVENTSTORE_STORE", s.adapter + ":…", "this build has memory: and fs:DIRECTORY"}
}

// adaptersOf are the kinds of storage that a topic may have. Under the host memory is none: it would be
// gone with the instance.
func adaptersOf(s settings) map[string]topics.Adapter {
	adapters := map[string]topics.Adapter{}
	if !s.underHost {
		adapters["memory"] = new(memory.Topics)
	}
	return adapters
}
