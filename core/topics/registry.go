// Package topics is the registry of topics: their configurations, kept in Documents, and
// their logs, opened when first used.
//
// A name stays bound to its storage and a storage to its name, by the random identity
// that each log has of its own. Whatever one instance registers or deletes reaches the
// others within [Config.Refresh]. One topic that is broken or slow leaves the others alone.
package topics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"eventstore/core"
)

// Adapter opens the logs of one kind of storage.
type Adapter interface {
	// Complete fills in what a configuration leaves out (derived names, defaults) and checks
	// it. Its errors are [core.InvalidError]s, with places such as "connection" and
	// "options.container". A connection may be %NAME%, which it leaves as it is.
	Complete(config core.TopicConfig) (core.TopicConfig, error)

	// Open opens the log that config (completed, its %NAME% resolved) names. id is the
	// identity that the topic was registered with; with "" the log is created where it is
	// absent, and the identity it has (random, kept with the log) is returned.
	// ErrForeign: another log, or none, is where id was expected (a log in memory is
	// made anew instead). ErrUnavailable: it can't be reached or written. A
	// [core.InvalidError]: the configuration can't work.
	Open(ctx context.Context, config core.TopicConfig, id string) (log core.Log, identity string, err error)
}

// Forgetter is an [Adapter] whose logs live only as long as they are registered.
type Forgetter interface {
	// Forget drops the events of a topic that was deleted.
	Forget(config core.TopicConfig)
}

// Config is what a [Registry] works with.
type Config struct {
	// Documents keep the configurations.
	Documents core.Documents
	// Adapters are the kinds of storage that a topic may name.
	Adapters map[string]Adapter
	// Default is the adapter of a topic that names none.
	Default string
	// Setting reads an app setting, for connections of the form %NAME%. Without it there
	// are none.
	Setting func(name string) (string, bool)
	// Log is told of topics that can't be opened. Default: none.
	Log *slog.Logger
	// Refresh is how old a configuration may be when it is used; default 10 s.
	Refresh time.Duration
	// OpenTimeout bounds the opening of one log; default 30 s.
	OpenTimeout time.Duration
	// Now is the clock that stamps registrations; default time.Now.
	Now func() time.Time
}

// ErrTopicNotFound says that no topic of that name is registered.
var ErrTopicNotFound = errors.New("topic not found")

// ExistsError says that a name is taken by another configuration, or a storage by another
// topic.
type ExistsError struct{ Name, Reason string }

func (e *ExistsError) Error() string { return fmt.Sprintf("topic %q: %s", e.Name, e.Reason) }

// Registry knows the topics and keeps those open that this process uses. It is safe for use by
// many goroutines.
type Registry struct {
	config  Config
	made    time.Time
	flights singleflight.Group // opening and refreshing, by name

	mu       sync.RWMutex
	entries  map[string]*entry // guarded by mu; topics that are open or failed to open
	retired  []*Topic          // guarded by mu; replaced logs that are still to be closed
	changes  int               // guarded by mu; how often this process itself changed a registration
	shut     bool              // guarded by mu
	openings sync.WaitGroup    // added to under mu while not shut
}

// New makes a registry. It touches nothing until it is used.
func New(config Config) *Registry {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Setting == nil {
		config.Setting = func(string) (string, bool) { return "", false }
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Refresh = orDefault(config.Refresh, 10*time.Second)
	config.OpenTimeout = orDefault(config.OpenTimeout, 30*time.Second)
	return &Registry{config: config, made: time.Now(), entries: map[string]*entry{}}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Get reads how a topic is registered. ErrTopicNotFound: it is not.
func (r *Registry) Get(ctx context.Context, name string) (core.TopicConfig, error) {
	stored, err := r.registered(ctx, name)
	return stored.Config, err
}

// List reads the registered topics in the order of their names, those behind after, at
// most limit of them (0: all). next, where it is not "", is the after of the following page.
func (r *Registry) List(ctx context.Context, after string, limit int) (configs []core.TopicConfig, next string, err error) {
	for document, err := range r.config.Documents.List(ctx, topicsCollection, core.ListQuery{After: after}) {
		if err != nil {
			return nil, "", fmt.Errorf("listing topics: %w", err)
		}
		stored, err := decodeRegistration(document)
		if err != nil {
			return nil, "", err
		}
		if stored.Deleted {
			continue
		}
		if limit > 0 && len(configs) == limit {
			return configs, configs[limit-1].Name, nil
		}
		configs = append(configs, stored.Config)
	}
	return configs, "", nil
}

// Opened reports the topics that are open in this process, by name.
func (r *Registry) Opened() []*Topic {
	r.mu.RLock()
	defer r.mu.RUnlock()
	opened := []*Topic{}
	for _, name := range slices.Sorted(maps.Keys(r.entries)) {
		if topic := r.entries[name].topic; topic != nil {
			opened = append(opened, topic)
		}
	}
	return opened
}

// Failed reports the topics that could not be opened when this process last tried, within
// the last five minutes, with the reason.
func (r *Registry) Failed() map[string]error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	failed := map[string]error{}
	for name, entry := range r.entries {
		if entry.err != nil && r.age(entry) < failedShown {
			failed[name] = entry.err
		}
	}
	return failed
}

// Close waits for openings that are under way and closes the logs. Nothing opens afterwards.
func (r *Registry) Close() error {
	r.mu.Lock()
	r.shut = true
	r.mu.Unlock()
	r.openings.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, entry := range r.entries {
		errs = append(errs, entry.topic.close())
	}
	for _, topic := range r.retired {
		errs = append(errs, topic.close())
	}
	r.entries, r.retired = map[string]*entry{}, nil
	return errors.Join(errs...)
}
