package subscribers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"eventstore/core"
)

// The collections.
const (
	registrations = "subscriptions"   // key: topic/id
	states        = "deliveries"      // key: topic/id/life
	holds         = "deliveries-held" // key: topic/id/life/name of the hold
)

// store reads and writes the package's documents. Every value has a random text of its own,
// so that a write whose outcome is unknown is found again.
type store struct{ documents core.Documents }

// get reads a document into value and returns its version; "" where there is none.
func (s store) get(ctx context.Context, collection, key string, value any) (version string, err error) {
	document, err := s.documents.Get(ctx, collection, key)
	if errors.Is(err, core.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading %q of %q: %w", key, collection, err)
	}
	return document.Version, decode(collection, document, value)
}

func decode(collection string, document core.Document, value any) error {
	if err := json.Unmarshal(document.Value, value); err != nil {
		return &core.CorruptError{Place: fmt.Sprintf("document %q of %q", document.Key, collection), Reason: err.Error()}
	}
	return nil
}

// put is a write of value, a struct that is marked by mark.
func put(collection, key, expect string, value any) (core.Write, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return core.Write{}, fmt.Errorf("encoding %q of %q: %w", key, collection, err)
	}
	return core.Write{Collection: collection, Key: key, Value: text, Expect: expect}, nil
}

// mark is the random text that tells one write of a document from any other.
func mark() string { return rand.Text() }

// write makes one write. Where its outcome is not known, or it conflicts with what may be
// itself, the document says which it was.
func (s store) write(ctx context.Context, w core.Write) (version string, err error) {
	versions, err := s.documents.Write(ctx, w)
	if err == nil {
		return versions[0], nil
	}
	if errors.Is(err, core.ErrUnavailable) {
		return "", fmt.Errorf("writing %q of %q: %w", w.Key, w.Collection, err)
	}
	found, readErr := s.documents.Get(ctx, w.Collection, w.Key)
	switch {
	case w.Value == nil && errors.Is(readErr, core.ErrNotFound):
		return "", nil
	case readErr == nil && w.Value != nil && bytes.Equal(found.Value, w.Value):
		return found.Version, nil
	case readErr == nil && found.Version != w.Expect, errors.Is(readErr, core.ErrNotFound) && w.Expect != "":
		return "", fmt.Errorf("writing %q of %q: %w", w.Key, w.Collection, core.ErrConflict)
	}
	return "", fmt.Errorf("writing %q of %q: %w", w.Key, w.Collection, err)
}

// clean deletes all documents whose keys begin with prefix. What can't be deleted now is unreachable,
// and does no harm.
func (s store) clean(ctx context.Context, collection, prefix string) {
	for document, err := range s.documents.List(ctx, collection, core.ListQuery{Prefix: prefix}) {
		if err != nil {
			return
		}
		_, _ = s.documents.Write(ctx, core.Write{Collection: collection, Key: document.Key, Expect: document.Version})
	}
}
