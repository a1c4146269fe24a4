package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"eventstore/core"
)

// List yields a collection's documents in the order of their keys. It reads some ahead of
// what it yields, at once.
func (d *Documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		yielded := 0
		for document, err := range d.readAll(ctx, d.blobs(ctx, collection, q), q.Limit) {
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

// listed is a blob as a listing tells of it.
type listed struct {
	name string
	etag azcore.ETag
}

// blobs yields the blobs that a query may select.
func (d *Documents) blobs(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		prefix, after := d.prefix(collection)+core.EscapedPrefix(q.Prefix), ""
		if q.After != "" {
			after = d.name(collection, q.After)
		}
		for item, err := range list(ctx, d.container, prefix, max(prefix, after)) {
			if errors.Is(err, core.ErrNotFound) {
				return // not even the container is there
			}
			if err != nil {
				yield(listed{}, err)
				return
			}
			b := listed{name: *item.Name}
			if item.Properties != nil && item.Properties.ETag != nil {
				b.etag = *item.Properties.ETag
			}
			if b.name != after && !yield(b, nil) {
				return
			}
		}
	}
}

// readAll yields the documents of these blobs, reading up to parallel of them at once.
func (d *Documents) readAll(ctx context.Context, blobs iter.Seq2[listed, error], limit int) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		most := parallel
		if limit > 0 {
			most = min(parallel, limit)
		}
		window := make([]listed, 0, most)
		for b, err := range blobs {
			if err != nil {
				if d.yieldWindow(ctx, window, yield) {
					yield(core.Document{}, err)
				}
				return
			}
			if window = append(window, b); len(window) == most {
				if !d.yieldWindow(ctx, window, yield) {
					return
				}
				window = window[:0]
			}
		}
		d.yieldWindow(ctx, window, yield)
	}
}

// yieldWindow yields the documents of some blobs, leaving out those that are gone. It reports
// whether to go on.
func (d *Documents) yieldWindow(ctx context.Context, blobs []listed, yield func(core.Document, error) bool) bool {
	documents, errs := make([]core.Document, len(blobs)), make([]error, len(blobs))
	var reading sync.WaitGroup
	for i, b := range blobs {
		var ok bool
		if documents[i], ok = d.kept.get(b); ok {
			continue
		}
		reading.Go(func() {
			if documents[i], _, errs[i] = d.read(ctx, b.name); errs[i] == nil {
				d.kept.put(b.name, documents[i])
			}
		})
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
