package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"eventstore/core"
)

// Topics opens the logs of topics that live in memory, one a name. They are there from the first
// opening until they are forgotten or the process ends. Its zero value is ready to use.
type Topics struct {
	mu   sync.Mutex
	logs map[string]named // guarded by mu; by the topic's name
}

type named struct {
	log      *Log
	identity string
}

// Complete checks that a configuration has only a name and a description, for memory has no place.
func (t *Topics) Complete(config core.TopicConfig) (core.TopicConfig, error) {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"connection", config.Connection != ""}, {"schema", config.Schema != ""},
		{"table", config.Table != ""}, {"options", len(config.Options) > 0},
	} {
		if field.set {
			return config, core.Invalid(field.name, "is not for a topic in memory; leave it out")
		}
	}
	return config, nil
}

// Open opens the topic's log. Where there is none it makes an empty one, with the identity id if that
// is given: after a restart the registration is there, and the events are not. ErrForeign: the log
// there is another one.
func (t *Topics) Open(_ context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.logs[config.Name]
	if !ok {
		found = named{new(Log), id}
		if id == "" {
			found.identity = rand.Text()
		}
		if t.logs == nil {
			t.logs = map[string]named{}
		}
		t.logs[config.Name] = found
	}
	if id != "" && id != found.identity {
		return nil, "", fmt.Errorf("%w: memory has %s for the topic %q, which was registered with %s", core.ErrForeign, found.identity, config.Name, id)
	}
	return found.log, found.identity, nil
}

// Forget drops the events of a topic that was deleted.
func (t *Topics) Forget(config core.TopicConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.logs, config.Name)
}
