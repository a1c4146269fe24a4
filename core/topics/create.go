package topics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"eventstore/core"
)

// attempts bounds how often a registration is looked at again because another instance
// changed it meanwhile.
const attempts = 5

// Create registers a topic, or brings a deleted one back. Its storage is opened first, so
// what can't be reached or written registers nothing. It reports the completed
// configuration and whether it was not registered before; the same configuration again
// is no error. Repeating it after any failure is safe.
//
// Errors: [core.InvalidError]; [ExistsError], where the name has another configuration, or
// had one, or the storage belongs to another topic; core.ErrUnavailable and the storage's own.
func (r *Registry) Create(ctx context.Context, config core.TopicConfig) (core.TopicConfig, bool, error) {
	config, err := r.complete(config)
	if err != nil {
		return core.TopicConfig{}, false, err
	}
	for range attempts {
		created, err := r.create(ctx, config)
		if err == nil {
			return config, created, nil
		}
		if !errors.Is(err, core.ErrConflict) {
			return core.TopicConfig{}, false, err
		}
	}
	return core.TopicConfig{}, false, fmt.Errorf("%w: the registration of topic %q kept changing", core.ErrUnavailable, config.Name)
}

// complete checks a configuration and fills in its defaults.
func (r *Registry) complete(config core.TopicConfig) (core.TopicConfig, error) {
	if err := CheckName(config.Name); err != nil {
		return config, err
	}
	if config.Adapter == "" {
		config.Adapter = r.config.Default
	}
	adapter, err := r.adapter(config)
	if err != nil {
		return config, err
	}
	completed, err := adapter.Complete(config)
	if err != nil {
		return config, fmt.Errorf("topic %q: %w", config.Name, err)
	}
	return completed, nil
}

// create makes one attempt. ErrConflict: another instance changed the registration, look again.
func (r *Registry) create(ctx context.Context, config core.TopicConfig) (bool, error) {
	stored, err := r.stored(ctx, config.Name)
	if errors.Is(err, ErrTopicNotFound) {
		return r.createNew(ctx, config)
	}
	if err != nil {
		return false, err
	}
	if !stored.Config.Equal(config) {
		return false, differs(stored)
	}
	if !stored.Deleted {
		return false, nil
	}
	return true, r.revive(ctx, stored)
}

func differs(stored registration) error {
	if stored.Deleted {
		return &ExistsError{stored.Config.Name, "it was deleted, and can be registered only as it was: a name stays bound to its storage"}
	}
	return &ExistsError{stored.Config.Name, "it is registered with a different configuration"}
}

// createNew opens the storage, binds it to the name, and registers the name, in this order,
// so that a registered topic's storage is always its own.
func (r *Registry) createNew(ctx context.Context, config core.TopicConfig) (bool, error) {
	return true, r.register(ctx, registration{Config: config, Created: core.Truncate(r.config.Now())})
}

// revive registers a deleted topic again, with the log it had.
func (r *Registry) revive(ctx context.Context, stored registration) error {
	stored.Deleted = false
	return r.register(ctx, stored)
}

// register opens the log of a registration, binds it to the topic, saves the registration and
// keeps the log open for its first use.
func (r *Registry) register(ctx context.Context, next registration) error {
	ctx, cancel := context.WithTimeout(ctx, r.config.OpenTimeout)
	defer cancel()
	topic, err := r.open(ctx, next)
	if err != nil {
		return err
	}
	next.Identity = topic.Identity
	if err = r.bind(ctx, next.Identity, topic.Name); err == nil {
		err = r.save(ctx, next)
	}
	if err != nil {
		_ = topic.close() // the error that counts is the one there is
		return err
	}
	r.change(topic.Name, r.newEntry(topic, nil))
	return nil
}

// bind notes that the log with this identity belongs to a topic. It may already.
func (r *Registry) bind(ctx context.Context, identity, name string) error {
	err := r.write(ctx, logsCollection, identity, "", binding{Topic: name})
	if !errors.Is(err, core.ErrConflict) {
		return err
	}
	document, err := r.config.Documents.Get(ctx, logsCollection, identity)
	if err != nil {
		return fmt.Errorf("reading to which topic a log belongs: %w", err)
	}
	var bound binding
	if err := json.Unmarshal(document.Value, &bound); err != nil {
		return &core.CorruptError{Place: fmt.Sprintf("document %q of %q", identity, logsCollection), Reason: err.Error()}
	}
	if bound.Topic != name {
		return &ExistsError{name, fmt.Sprintf("its storage belongs to the topic %q", bound.Topic)}
	}
	return nil
}

// Delete unregisters a topic. Its events stay where they are (in memory they are gone),
// and its name stays bound to them. ErrTopicNotFound: it is not registered.
func (r *Registry) Delete(ctx context.Context, name string) error {
	for range attempts {
		stored, err := r.registered(ctx, name)
		if err != nil {
			return err
		}
		stored.Deleted = true
		err = r.save(ctx, stored)
		if errors.Is(err, core.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("deleting topic %q: %w", name, err)
		}
		r.change(name, nil)
		r.forget(stored.Config)
		return nil
	}
	return fmt.Errorf("%w: the registration of topic %q kept changing", core.ErrUnavailable, name)
}

func (r *Registry) forget(config core.TopicConfig) {
	if forgetter, ok := r.config.Adapters[config.Adapter].(Forgetter); ok {
		forgetter.Forget(config)
	}
}

// Move switches a topic to another storage, to which its events were copied and whose
// identity the copy has: the last step of moving it. from is the configuration that the
// caller moved away from; where the topic has another by now it is an [ExistsError].
// Other instances follow when the old log, which is closed by now, refuses them, or within
// [Config.Refresh].
func (r *Registry) Move(ctx context.Context, from, to core.TopicConfig) (core.TopicConfig, error) {
	to.Name = from.Name
	to, err := r.complete(to)
	if err != nil {
		return to, err
	}
	stored, err := r.registered(ctx, from.Name)
	if err != nil || stored.Config.Equal(to) { // it was switched, and the answer lost
		return to, err
	}
	if !stored.Config.Equal(from) {
		return to, differs(stored)
	}
	stored.Config, stored.Identity = to, ""
	if err := r.register(ctx, stored); err != nil {
		return to, fmt.Errorf("switching topic %q to its new storage: %w", to.Name, err)
	}
	return to, nil
}
