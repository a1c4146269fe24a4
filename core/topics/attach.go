package topics

import (
	"context"

	"eventstore/core"
)

// Attach opens a storage that is not registered, or not yet: to copy from or to, to check, or to
// move a topic there. config is completed, and its log made where it is absent. The caller
// closes the topic with [Topic.Release].
func (r *Registry) Attach(ctx context.Context, config core.TopicConfig) (*Topic, error) {
	config, err := r.complete(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.OpenTimeout)
	defer cancel()
	return r.open(ctx, registration{Config: config})
}

// Reserve binds an attached storage to the topic that is to move there, so that no other topic
// can be registered with it meanwhile. [ExistsError]: it belongs to another one.
func (r *Registry) Reserve(ctx context.Context, attached *Topic, name string) error {
	return r.bind(ctx, attached.Identity, name)
}

// Release closes the log of a topic that [Registry.Attach] opened.
func (t *Topic) Release() error { return t.close() }
