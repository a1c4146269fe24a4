package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"eventstore/core"
)

// Documents is a core.Documents. Its zero value is an empty store, ready to use.
type Documents struct {
	mu          sync.Mutex
	collections map[string]map[string]core.Document // guarded by mu
	writes      uint64                              // guarded by mu; the number of writes so far, which makes the versions
}

var _ core.Documents = (*Documents)(nil)

// Get reads a document.
func (d *Documents) Get(ctx context.Context, collection, key string) (core.Document, error) {
	if err := ctx.Err(); err != nil {
		return core.Document{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	document, ok := d.collections[collection][key]
	if !ok {
		return core.Document{}, fmt.Errorf("document %q of %q: %w", key, collection, core.ErrNotFound)
	}
	return clone(document), nil
}

func clone(document core.Document) core.Document {
	document.Value = bytes.Clone(document.Value)
	return document
}

// Write puts and deletes documents.
func (d *Documents) Write(ctx context.Context, writes ...core.Write) (versions []string, err error) {
	versions = make([]string, len(writes))
	if err := ctx.Err(); err != nil {
		return versions, fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, w := range writes {
		if d.collections[w.Collection][w.Key].Version != w.Expect {
			err = fmt.Errorf("document %q of %q: %w", w.Key, w.Collection, core.ErrConflict)
			continue
		}
		versions[i] = d.apply(w)
	}
	return versions, err
}

func (d *Documents) apply(w core.Write) (version string) {
	if w.Value == nil {
		delete(d.collections[w.Collection], w.Key)
		return ""
	}
	if d.collections == nil {
		d.collections = map[string]map[string]core.Document{}
	}
	if d.collections[w.Collection] == nil {
		d.collections[w.Collection] = map[string]core.Document{}
	}
	d.writes++
	version = strconv.FormatUint(d.writes, 10)
	d.collections[w.Collection][w.Key] = clone(core.Document{Key: w.Key, Value: w.Value, Version: version})
	return version
}

// List yields a collection's documents in the order of their keys, as they were when the
// iteration began.
func (d *Documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		for _, document := range d.sorted(collection, q) {
			if err := ctx.Err(); err != nil {
				yield(core.Document{}, err)
				return
			}
			if !yield(clone(document), nil) {
				return
			}
		}
	}
}

func (d *Documents) sorted(collection string, q core.ListQuery) []core.Document {
	type keyed struct {
		escaped  string
		document core.Document
	}
	after, all := core.EscapeKey(q.After), []keyed{}
	d.mu.Lock()
	for key, document := range d.collections[collection] {
		if escaped := core.EscapeKey(key); strings.HasPrefix(key, q.Prefix) && escaped > after {
			all = append(all, keyed{escaped, document})
		}
	}
	d.mu.Unlock()
	slices.SortFunc(all, func(a, b keyed) int { return strings.Compare(a.escaped, b.escaped) })
	documents := []core.Document{}
	for _, k := range all {
		documents = append(documents, k.document)
	}
	if q.Limit > 0 {
		documents = documents[:min(q.Limit, len(documents))]
	}
	return documents
}
