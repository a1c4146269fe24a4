package blob

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// Config is what an instance gives its blob topics.
type Config struct {
	// Client is how this process speaks with blob storage; required.
	Client *Client
	// Account is the instance's own, for topics without a connection; the zero Account if
	// there is none.
	Account Account
	// Container is for topics that name none; "eventstore" by default.
	Container string
	// Segment is how logs are kept, but for their ID. MaxAppends is 40,000 by default.
	Segment segment.Options
	// Log is told what is repaired; slog's default by default.
	Log *slog.Logger
}

// Topics opens logs in Azure Blob Storage.
type Topics struct{ config Config }

// NewTopics makes a Topics that sends nothing before it is asked to.
func NewTopics(config Config) *Topics {
	config.Container = or(config.Container, "eventstore")
	if config.Segment.MaxAppends == 0 {
		config.Segment.MaxAppends = mostAppends
	}
	return &Topics{config: config}
}

const (
	optionContainer = "container"
	optionPrefix    = "prefix"
)

// Complete fills in container and prefix, and checks all that can be checked without a request.
func (t *Topics) Complete(config core.TopicConfig) (core.TopicConfig, error) {
	if config.Schema != "" || config.Table != "" {
		place := "schema"
		if config.Schema == "" {
			place = "table"
		}
		return config, core.Invalid(place, "the blob adapter has none; it has options.container and options.prefix")
	}
	for _, option := range slices.Sorted(maps.Keys(config.Options)) {
		if option != optionContainer && option != optionPrefix {
			return config, core.Invalid("options."+option, "is not an option of the blob adapter, which has container and prefix")
		}
	}
	options := map[string]string{optionContainer: t.config.Container, optionPrefix: topicsPrefix + config.Name}
	maps.Copy(options, config.Options)
	options[optionPrefix] = strings.TrimSuffix(options[optionPrefix], "/")
	config.Options = options
	if err := checkContainer(options[optionContainer]); err != nil {
		return config, err
	}
	if err := checkPrefix(options[optionPrefix]); err != nil {
		return config, err
	}
	if strings.HasPrefix(config.Connection, "%") && strings.HasSuffix(config.Connection, "%") {
		return config, nil
	}
	_, err := t.container(config)
	return config, err
}

// container is the container of a completed configuration.
func (t *Topics) container(config core.TopicConfig) (*container.Client, error) {
	account := t.config.Account
	if config.Connection != "" {
		var err error
		if account, err = ParseAccount("connection", config.Connection); err != nil {
			return nil, err
		}
	}
	if account.none() {
		return nil, core.Invalid("connection", "is missing, and this instance has no storage account of its own: "+
			"give a connection string or a service URL, or set %s or %s", settingConnection, settingServiceURI)
	}
	return t.config.Client.container(account, config.Options[optionContainer])
}

// Open opens the log of a completed configuration. With an id the log must be there; without one
// it is created, and its container too, where they are absent.
func (t *Topics) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	in, err := t.container(config)
	if err != nil {
		return nil, "", err
	}
	if id == "" {
		if err := createContainer(ctx, in); err != nil {
			return nil, "", fmt.Errorf("creating container %s: %w", config.Options[optionContainer], unavailable(err))
		}
	}
	files := &Files{container: in, prefix: config.Options[optionPrefix] + "/"}
	options := t.config.Segment
	options.ID = id
	if options.Log == nil && t.config.Log != nil {
		options.Log = t.config.Log.With("topic", config.Name)
	}
	log, err := segment.Open(ctx, files, options)
	if err != nil {
		return nil, "", err
	}
	return log, log.ID(), nil
}
