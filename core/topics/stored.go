package topics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
)

const (
	// topicsCollection holds a registration per topic, by name. A deleted topic keeps
	// its own, for the name stays bound.
	topicsCollection = "topics"
	// logsCollection holds, by the identity of a log, the name of the topic it belongs to.
	logsCollection = "topic-logs"
)

// registration is how a topic is kept.
type registration struct {
	Config   core.TopicConfig `json:"config"`
	Identity string           `json:"identity"`
	Created  time.Time        `json:"created"`
	Deleted  bool             `json:"deleted,omitempty"`

	version string
}

// identity tells apart what a topic is registered with: another one is another Topic.
func (s *registration) identity() string { return identity(s.Config, s.Identity) }

func identity(config core.TopicConfig, log string) string {
	encoded, _ := json.Marshal(config) // texts and a map of texts can be encoded
	return log + string(encoded)
}

// binding is how the topic that a log belongs to is kept.
type binding struct {
	Topic string `json:"topic"`
}

// registered reads the registration of a topic that is not deleted.
func (r *Registry) registered(ctx context.Context, name string) (registration, error) {
	stored, err := r.stored(ctx, name)
	if err == nil && stored.Deleted {
		err = fmt.Errorf("%w: %q", ErrTopicNotFound, name)
	}
	if err != nil {
		return registration{}, err
	}
	return stored, nil
}

// stored reads the registration of a topic, deleted or not.
func (r *Registry) stored(ctx context.Context, name string) (registration, error) {
	if CheckName(name) != nil { // no such topic can be registered
		return registration{}, fmt.Errorf("%w: %q", ErrTopicNotFound, name)
	}
	document, err := r.config.Documents.Get(ctx, topicsCollection, name)
	if errors.Is(err, core.ErrNotFound) {
		return registration{}, fmt.Errorf("%w: %q", ErrTopicNotFound, name)
	}
	if err != nil {
		return registration{}, fmt.Errorf("reading the registration of topic %q: %w", name, err)
	}
	return decodeRegistration(document)
}

func decodeRegistration(document core.Document) (registration, error) {
	stored := registration{version: document.Version}
	if err := json.Unmarshal(document.Value, &stored); err != nil || stored.Config.Name != document.Key {
		return registration{}, &core.CorruptError{Place: fmt.Sprintf("document %q of %q", document.Key, topicsCollection),
			Reason: "it is not the registration of that topic"}
	}
	return stored, nil
}

// save writes a registration where the stored one has the version that it was read with.
func (r *Registry) save(ctx context.Context, next registration) error {
	return r.write(ctx, topicsCollection, next.Config.Name, next.version, next)
}

// write puts value as a document, if it has the expected version. A write whose answer was
// lost counts as made when it is found in place.
func (r *Registry) write(ctx context.Context, collection, key, expect string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = r.config.Documents.Write(ctx, core.Write{Collection: collection, Key: key, Value: encoded, Expect: expect})
	if err == nil || errors.Is(err, core.ErrUnavailable) {
		return err
	}
	document, readErr := r.config.Documents.Get(ctx, collection, key)
	if readErr == nil && bytes.Equal(document.Value, encoded) {
		return nil
	}
	return err
}
