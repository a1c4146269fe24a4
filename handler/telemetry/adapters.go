package telemetry

import (
	"context"

	"eventstore/core"
	"eventstore/core/topics"
)

// Adapters records what is asked of the logs that these open, by the adapters' names.
func (t *Telemetry) Adapters(adapters map[string]topics.Adapter) map[string]topics.Adapter {
	if t == nil {
		return adapters
	}
	watched := map[string]topics.Adapter{}
	for name, inner := range adapters {
		watched[name] = &adapter{inner, name, t}
	}
	return watched
}

// adapter opens logs that are watched.
type adapter struct {
	topics.Adapter
	name string
	t    *Telemetry
}

var _ topics.Forgetter = (*adapter)(nil)

// Open opens a log.
func (a *adapter) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	opened, identity, err := a.Adapter.Open(ctx, config, id)
	if err != nil {
		return opened, identity, err
	}
	watched := &log{inner: opened, topic: config.Name, adapter: a.name, t: a.t}
	if lines, ok := opened.(lineReader); ok {
		return &lineLog{watched, lines}, identity, nil
	}
	return watched, identity, nil
}

// Forget drops a topic's events, where this is a kind of storage that does.
func (a *adapter) Forget(config core.TopicConfig) {
	if forgetter, ok := a.Adapter.(topics.Forgetter); ok {
		forgetter.Forget(config)
	}
}
