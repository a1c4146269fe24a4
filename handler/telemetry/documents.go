package telemetry

import (
	"context"
	"io"
	"iter"
	"time"

	"eventstore/core"
)

// Documents records what is asked of documents, which an adapter of that name keeps.
func (t *Telemetry) Documents(adapter string, inner core.Documents) core.Documents {
	if t == nil || inner == nil {
		return inner
	}
	return &documents{inner, adapter, t}
}

// documents are watched.
type documents struct {
	inner   core.Documents
	adapter string
	t       *Telemetry
}

func (d *documents) called(ctx context.Context, operation string, began time.Time, err error) {
	d.t.recorder.called(ctx, d.adapter, operation, outcomeOf(err), began)
}

// Get is the store's.
func (d *documents) Get(ctx context.Context, collection, key string) (core.Document, error) {
	began := time.Now()
	document, err := d.inner.Get(ctx, collection, key)
	d.called(ctx, "get", began, err)
	return document, err
}

// Write is the store's.
func (d *documents) Write(ctx context.Context, writes ...core.Write) ([]string, error) {
	began := time.Now()
	versions, err := d.inner.Write(ctx, writes...)
	d.called(ctx, "write", began, err)
	return versions, err
}

// List is the store's. What it is recorded to take is the time to its first document.
func (d *documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		began, first := time.Now(), true
		for document, err := range d.inner.List(ctx, collection, q) {
			if first || err != nil {
				d.called(ctx, "list", began, err)
			}
			first = false
			if !yield(document, err) {
				return
			}
		}
		if first {
			d.called(ctx, "list", began, nil)
		}
	}
}

// Close closes the store, where it can be.
func (d *documents) Close() error {
	if closer, ok := d.inner.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}
