package fs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"

	"eventstore/core"
)

// Documents is a core.Documents in a directory, one file a collection: see
// collection for what is in it. Several processes, and several Documents of one
// process, may use one directory at once. A document that is read is checked against its
// checksum. The documents' keys, not their values, are held in memory.
type Documents struct {
	dir  string
	root *os.Root

	mu          sync.Mutex
	collections map[string]*collection // guarded by mu; by name
}

var _ core.Documents = (*Documents)(nil)

// OpenDocuments opens the store of documents in dir, which it creates if it is absent.
func OpenDocuments(dir string) (*Documents, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("making the directory of the documents: %w", unavailable(err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of the documents: %w", unavailable(err))
	}
	return &Documents{dir: dir, root: root, collections: map[string]*collection{}}, nil
}

// Close lets go of the files. Nothing may be called after it.
func (d *Documents) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.collections {
		c.mu.Lock()
		c.reset()
		c.mu.Unlock()
	}
	return d.root.Close()
}

func (d *Documents) collection(name string) *collection {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.collections[name]
	if c == nil {
		c = newCollection(d.root, d.dir, name)
		d.collections[name] = c
	}
	return c
}

// Get reads a document.
func (d *Documents) Get(ctx context.Context, collection, key string) (core.Document, error) {
	document, err := d.collection(collection).get(ctx, core.EscapeKey(key))
	if err != nil {
		return core.Document{}, fmt.Errorf("reading document %q of %q: %w", key, collection, err)
	}
	return document, nil
}

// Write puts and deletes documents: those of one collection under one lock, with one
// fsync. They are not atomic together, but a failure leaves them as they were unless
// the error says that the outcome is unknown.
func (d *Documents) Write(ctx context.Context, writes ...core.Write) (versions []string, err error) {
	versions = make([]string, len(writes))
	var errs []error
	made := false
	for _, places := range byCollection(writes) {
		c := d.collection(writes[places[0]].Collection)
		stored, err := c.write(ctx, writes, places, versions)
		if err != nil {
			errs = append(errs, fmt.Errorf("writing documents of %q: %w", c.name, err))
		}
		made = made || stored
	}
	return versions, joined(errs, made)
}

// joined is one error for a call. ErrUnavailable says that no write without a version was
// made, deletions too; so where some collection's were it is not said.
func joined(errs []error, made bool) error {
	err := errors.Join(errs...)
	if made && errors.Is(err, core.ErrUnavailable) {
		return fmt.Errorf("%w for some of the documents: %s", core.ErrUnknown, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return err
}

// byCollection groups the writes' places by collection, in the order in which the
// collections first come.
func byCollection(writes []core.Write) (groups [][]int) {
	group := map[string]int{}
	for i, w := range writes {
		at, ok := group[w.Collection]
		if !ok {
			at = len(groups)
			group[w.Collection] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// List yields a collection's documents in the order of their keys; which there are is
// decided when the iteration begins, their values are read one by one.
func (d *Documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		c, keys := d.collection(collection), []string{}
		if err := c.view(ctx, func() error { keys = c.keys(q); return nil }); err != nil {
			yield(core.Document{}, fmt.Errorf("listing the documents of %q: %w", collection, err))
			return
		}
		yielded := 0
		for _, escaped := range keys {
			document, err := c.get(ctx, escaped)
			if errors.Is(err, core.ErrNotFound) || err == nil && !strings.HasPrefix(document.Key, q.Prefix) {
				continue
			}
			if err != nil {
				yield(core.Document{}, fmt.Errorf("listing the documents of %q: %w", collection, err))
				return
			}
			yielded++
			if !yield(document, nil) || yielded == q.Limit {
				return
			}
		}
	}
}

// write makes the writes at places of one collection, filling in their versions. stored
// reports whether any was made.
func (c *collection) write(ctx context.Context, writes []core.Write, places []int, versions []string) (stored bool, err error) {
	unlock, err := c.lock.take(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		return false, err
	}
	batch, conflicts := newBatch(), []error{}
	for _, i := range places {
		w := writes[i]
		escaped := core.EscapeKey(w.Key)
		if c.entries[escaped].version != w.Expect {
			conflicts = append(conflicts, fmt.Errorf("document %q: %w", w.Key, core.ErrConflict))
			continue
		}
		versions[i] = batch.add(escaped, w)
	}
	conflict := errors.Join(conflicts[:min(len(conflicts), mostConflicts)]...)
	if batch.empty() {
		return false, conflict
	}
	if err := c.append(batch); err != nil {
		forget(versions, places)
		return false, errors.Join(err, conflict)
	}
	return true, conflict
}

// mostConflicts is how many of a call's conflicts its error names.
const mostConflicts = 3

func forget(versions []string, places []int) {
	for _, i := range places {
		versions[i] = ""
	}
}

// get reads a document by its escaped key.
func (c *collection) get(ctx context.Context, escaped string) (document core.Document, err error) {
	err = c.view(ctx, func() error {
		e, ok := c.entries[escaped]
		if !ok {
			return core.ErrNotFound
		}
		value := make([]byte, e.length)
		if _, err := c.open.ReadAt(value, e.offset); err != nil {
			return unavailable(err)
		}
		if checksum(value) != e.sum {
			return c.corrupt(e.offset, "the value of document %q does not have its checksum", e.key)
		}
		document = core.Document{Key: e.key, Value: value, Version: e.version}
		return nil
	})
	return document, err
}
