package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"eventstore/core"
)

// List yields a collection's documents in the order of their keys. It reads some ahead of
// what it yields, at once.
func (d *Documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		yielded := 0
		for document, err := range d.readAll(ctx, d.names(ctx, collection, q), q.Limit) {
			if err != nil {
				yield(core.Document{}, fmt.Errorf("listing the documents of %q: %w", collection, err))
				return
			}
			if !strings.HasPrefix(document.Key, q.Prefix) {
				continue
			}
			yielded++
			if !yield(document, nil) || yielded == q.Limit {
				return
			}
		}
	}
}

// names yields the names of the blobs that a query may select.
func (d *Documents) names(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		prefix, after := d.prefix(collection)+core.EscapedPrefix(q.Prefix), ""
		if q.After != "" {
			after = d.name(collection, q.After)
		}
		for item, err := range list(ctx, d.container, prefix, max(prefix, after)) {
			if errors.Is(err, core.ErrNotFound) {
				return // not even the container is there
			}
			if err != nil {
				yield("", err)
				return
			}
			if *item.Name != after && !yield(*item.Name, nil) {
				return
			}
		}
	}
}

// readAll yields the documents of these names, reading up to parallel of them at once.
func (d *Documents) readAll(ctx context.Context, names iter.Seq2[string, error], limit int) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		most := parallel
		if limit > 0 {
			most = min(parallel, limit)
		}
		window := make([]string, 0, most)
		for name, err := range names {
			if err != nil {
				if d.yieldWindow(ctx, window, yield) {
					yield(core.Document{}, err)
				}
				return
			}
			if window = append(window, name); len(window) == most {
				if !d.yieldWindow(ctx, window, yield) {
					return
				}
				window = window[:0]
			}
		}
		d.yieldWindow(ctx, window, yield)
	}
}

// yieldWindow yields the documents of some names, leaving out those that are gone. It reports
// whether to go on.
func (d *Documents) yieldWindow(ctx context.Context, names []string, yield func(core.Document, error) bool) bool {
	documents, errs := make([]core.Document, len(names)), make([]error, len(names))
	var reading sync.WaitGroup
	for i, name := range names {
		reading.Go(func() { documents[i], _, errs[i] = d.read(ctx, name) })
	}
	reading.Wait()
	for i := range documents {
		if errors.Is(errs[i], core.ErrNotFound) {
			continue
		}
		if !yield(documents[i], errs[i]) || errs[i] != nil {
			return false
		}
	}
	return true
}
