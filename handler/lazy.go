package main

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"eventstore/core"
)

// lazyDocuments is a core.Documents that is opened when it is first used, so that the host's question
// whether this process listens never waits for storage. An opening that fails is tried again.
type lazyDocuments struct {
	open func(ctx context.Context) (core.Documents, error)

	mu        sync.Mutex
	documents core.Documents // guarded by mu; nil until it was opened
}

var _ core.Documents = (*lazyDocuments)(nil)

func (l *lazyDocuments) opened(ctx context.Context) (core.Documents, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.documents != nil {
		return l.documents, nil
	}
	documents, err := l.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: opening the store: %w", core.ErrUnavailable, err)
	}
	l.documents = documents
	return documents, nil
}

// Get reads a document.
func (l *lazyDocuments) Get(ctx context.Context, collection, key string) (core.Document, error) {
	documents, err := l.opened(ctx)
	if err != nil {
		return core.Document{}, err
	}
	return documents.Get(ctx, collection, key)
}

// Write puts and deletes documents.
func (l *lazyDocuments) Write(ctx context.Context, writes ...core.Write) ([]string, error) {
	documents, err := l.opened(ctx)
	if err != nil {
		return make([]string, len(writes)), err
	}
	return documents.Write(ctx, writes...)
}

// List yields a collection's documents.
func (l *lazyDocuments) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	documents, err := l.opened(ctx)
	if err != nil {
		return func(yield func(core.Document, error) bool) { yield(core.Document{}, err) }
	}
	return documents.List(ctx, collection, q)
}

// Close closes the documents, where they were opened and can be.
func (l *lazyDocuments) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if closer, ok := l.documents.(interface{ Close() error }); ok {
		return closer.Close()
	}
	return nil
}
