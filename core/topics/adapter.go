package topics

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eventstore/core"
)

func (r *Registry) adapter(config core.TopicConfig) (Adapter, error) {
	if adapter := r.config.Adapters[config.Adapter]; adapter != nil {
		return adapter, nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(r.config.Adapters)), ", ")
	return nil, core.Invalid("adapter", "%q is none of those that this instance has: %s", config.Adapter, known)
}

// openLog opens the log of a completed configuration, with its setting resolved.
func (r *Registry) openLog(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	adapter, err := r.adapter(config)
	if err != nil {
		return nil, "", err
	}
	config.Connection, err = r.resolve(config.Connection)
	if err != nil {
		return nil, "", err
	}
	log, identity, err := adapter.Open(ctx, config, id)
	if err != nil {
		return nil, "", fmt.Errorf("opening topic %q: %w", config.Name, err)
	}
	return log, identity, nil
}

// resolve reads the setting that a connection of the form %NAME% names. Its errors name the
// setting, and never what it holds.
func (r *Registry) resolve(connection string) (string, error) {
	name, ok := settingName(connection)
	if !ok {
		return connection, nil
	}
	value, ok := r.config.Setting(name)
	switch {
	case !ok || value == "":
		return "", core.Invalid("connection", "the app setting %s, which it names, is not set", name)
	case strings.HasPrefix(value, "@Microsoft.KeyVault("):
		return "", core.Invalid("connection", "the app setting %s holds a Key Vault reference that was not resolved: "+
			"check that the secret exists and that the app's identity may read it", name)
	}
	return value, nil
}

// settingName is the NAME of a connection that is %NAME% as a whole.
func settingName(connection string) (string, bool) {
	name, ok := strings.CutPrefix(connection, "%")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, "%")
	return name, ok && name != "" && !strings.Contains(name, "%")
}
