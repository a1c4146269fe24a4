package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"eventstore/core"
)

const (
	// readers is how many documents are read at once.
	readers = 16
	// writeBatch is how many documents are written in one call.
	writeBatch = 500
)

// working is the documents of one version that a run has to do with. It outlives a run, so that the next need not read them
// again: each is written under the revision it was read with, so what another instance has changed is refused, and then
// the whole is forgotten.
type working struct {
	documents  core.Documents
	collection string
	topics     []string
	known      map[string]*document
	size       int
	// complete: a document that is not known is not stored, as far as this process knows.
	complete bool
}

type document struct {
	key      string
	text     string          // its value, "" for none
	at       []core.Position // by topic
	revision string          // "" where it is not stored
	was      bool            // whether it had a value when it was last stored
	dirty    bool
	// number is what a batch that is being folded calls it, counted from 1; else 0.
	number int
}

func newWorking(documents core.Documents, collection string, topics []string) *working {
	return &working{documents: documents, collection: collection, topics: topics, known: map[string]*document{}}
}

// begin learns all there is, where that is next to nothing: in a version that was just made.
func (w *working) begin(ctx context.Context) error {
	for stored, err := range w.documents.List(ctx, w.collection, core.ListQuery{}) {
		if err != nil {
			return fmt.Errorf("listing documents: %w", err)
		}
		if err := w.read(w.meet(stored.Key), stored, nil); err != nil {
			return err
		}
	}
	w.complete = true
	return nil
}

// meet begins to know a document, as one that is not stored.
func (w *working) meet(key string) *document {
	d := &document{key: key, at: make([]core.Position, len(w.topics))}
	w.known[key] = d
	w.size += len(key) + 200
	return d
}

// read gives a document what reading it gave.
func (w *working) read(d *document, stored core.Document, err error) error {
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading document %q: %w", d.key, err)
	}
	d.revision = stored.Version
	if d.at, d.text, err = decodeStored(w.topics, stored.Value); err != nil {
		return fmt.Errorf("document %q: %w", d.key, err)
	}
	d.was = d.text != ""
	w.size += len(d.text)
	return nil
}

// load gives the documents of all keys, in their order. It reads those that are not known, several at once.
func (w *working) load(ctx context.Context, keys [][]string) ([]*document, error) {
	all, missing := make([]*document, 0, len(keys)), []*document{}
	for _, mine := range keys {
		for _, key := range mine {
			d := w.known[key]
			if d == nil {
				d = w.meet(key)
				missing = append(missing, d)
			}
			all = append(all, d)
		}
	}
	if w.complete {
		return all, nil
	}
	stored, errs := make([]core.Document, len(missing)), make([]error, len(missing))
	var reading sync.WaitGroup
	for r := range min(readers, len(missing)) {
		reading.Go(func() {
			for i := r; i < len(missing) && ctx.Err() == nil; i += readers {
				stored[i], errs[i] = w.documents.Get(ctx, w.collection, missing[i].key)
			}
		})
	}
	reading.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i, d := range missing {
		if err := w.read(d, stored[i], errs[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// change gives a document the value that events up to position of a topic have made of it. One that never was stays away;
// one that was, even for a moment, leaves a tombstone, since another run may have stored it at that moment.
func (w *working) change(d *document, topic int, position core.Position, text string, alive bool) {
	if !alive && d.revision == "" && !d.dirty {
		return
	}
	w.size += len(text) - len(d.text)
	d.text, d.dirty = text, true
	d.at[topic] = position
}

// flush writes what has changed, and tells by how much the number of documents grew. errStale: another run has written
// one of them. After an error what is known is no longer true.
func (w *working) flush(ctx context.Context) (grown int64, err error) {
	var writes []core.Write
	var changed []*document
	for _, d := range w.known {
		if d.dirty {
			writes = append(writes, core.Write{Collection: w.collection, Key: d.key, Value: encodeStored(w.topics, d.at, d.text), Expect: d.revision})
			changed = append(changed, d)
		}
	}
	for len(writes) > 0 {
		n := min(writeBatch, len(writes))
		revisions, err := w.documents.Write(ctx, writes[:n]...)
		if errors.Is(err, core.ErrConflict) {
			return 0, fmt.Errorf("%w: %w", errStale, err)
		}
		if err != nil {
			return 0, fmt.Errorf("writing %d documents: %w", n, err)
		}
		for i, d := range changed[:n] {
			grown += d.stored(revisions[i])
		}
		writes, changed = writes[n:], changed[n:]
	}
	return grown, nil
}

// stored notes that a document was written, and tells whether it came (1), went (-1) or stayed.
func (d *document) stored(revision string) (grown int64) {
	if is := d.text != ""; is != d.was {
		grown = 1
		if !is {
			grown = -1
		}
		d.was = is
	}
	d.revision, d.dirty = revision, false
	return grown
}
