package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/projections"
	"eventstore/core/queries"
	"eventstore/core/subscribers"
	"eventstore/core/topics"
	"eventstore/handler/rest"
	"eventstore/handler/trigger"
)

// application is everything that serves, put together. Nothing of it touches storage before it is used.
type application struct {
	storages    *storages
	documents   *lazyDocuments
	registry    *topics.Registry
	publisher   *commands.Publisher
	callbacks   *subscribers.Service
	projections *projections.Projections
	timers      []trigger.Timer
	handler     http.Handler
}

// newApplication puts the application together. stopping ends its streams and waits.
func newApplication(s settings, getenv func(string) string, log *slog.Logger, stopping context.Context) (*application, error) {
	storages, err := newStorages(s, getenv, log)
	if err != nil {
		return nil, err
	}
	a := &application{storages: storages, documents: &lazyDocuments{open: func(ctx context.Context) (core.Documents, error) {
		documents, err := storages.documents(ctx)
		return s.telemetry.Documents(s.store.adapter, documents), err
	}}}
	a.registry = topics.New(topics.Config{
		Documents: a.documents,
		Adapters:  s.telemetry.Adapters(storages.adapters),
		Default:   s.store.adapter,
		Setting:   func(name string) (string, bool) { value := getenv(name); return value, value != "" },
		Log:       log,
	})
	a.callbacks = newSubscriptions(s, a.registry, a.documents, log)
	load := new(rest.Load)
	a.projections = newProjections(s, a.registry, a.documents, load.Busy, log)
	a.timers = append(projectionTimers(a.projections, a.registry), deliverTimer(a.callbacks))
	for i := range a.timers {
		a.timers[i].Run = s.telemetry.Timer(a.timers[i].Name, a.timers[i].Run)
	}
	a.publisher = commands.New(a.registry, commands.Config{
		Published: func(topic string, head core.Position) {
			a.callbacks.Nudge(topic)
			a.projections.Nudge(topic, head)
		},
		Observer: s.telemetry.Publishing(),
		Log:      log,
	})
	a.handler = s.telemetry.HTTP(rest.New(rest.Config{
		Topics:        a.registry,
		Publisher:     a.publisher,
		Reader:        queries.New(a.registry, queries.Config{Log: log}),
		Documents:     a.documents,
		Projections:   a.projections,
		Subscriptions: a.callbacks,
		Version:       version,
		UnderHost:     s.underHost,
		Entra:         s.entra,
		Keys:          s.keys,
		Loopback:      !s.underHost && s.loopback && len(s.keys) == 0,
		Stopping:      stopping,
		Load:          load,
		Metrics:       s.telemetry.Prometheus(),
		Log:           log,
	}))
	if s.underHost {
		a.handler = withTimers(a.handler, a.timers, s.telemetry, log)
	}
	return a, nil
}

// close lets what is under way end, and lets go of the storage.
func (a *application) close() error {
	a.publisher.Close()
	a.callbacks.Close()
	a.projections.Close()
	err := errors.Join(a.registry.Close(), a.documents.Close())
	a.storages.close()
	return err
}
