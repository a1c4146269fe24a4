package rest

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"eventstore/core"
	"eventstore/core/topics"
)

const (
	// listLimit is the number of topics in a page where none is given.
	listLimit = 100
	// mostListed is the most topics in a page.
	mostListed = 1000
)

// topicView is a topic as GET /topics/{topic} answers it.
type topicView struct {
	core.TopicConfig
	Head          core.Position `json:"head"`
	Events        int64         `json:"events"`
	FirstRecorded string        `json:"firstRecorded,omitzero"`
	LastRecorded  string        `json:"lastRecorded,omitzero"`
}

// listTopics answers GET /topics.
func (a *api) listTopics(w http.ResponseWriter, r *http.Request) error {
	given, err := parameters(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := numberParameter(given, "limit", 1, mostListed, listLimit)
	if err != nil {
		return err
	}
	configs, next, err := a.Topics.List(r.Context(), given["after"], int(limit))
	if err != nil {
		return err
	}
	page := struct {
		Topics []core.TopicConfig `json:"topics"`
		Next   string             `json:"next,omitzero"`
	}{make([]core.TopicConfig, 0, len(configs)), next}
	for _, config := range configs {
		page.Topics = append(page.Topics, masked(config))
	}
	return writeJSON(w, http.StatusOK, page)
}

// masked is a configuration without its secrets.
func masked(config core.TopicConfig) core.TopicConfig {
	config.Connection = topics.MaskConnection(config.Connection)
	return config
}

// topic answers GET /topics/{topic}.
func (a *api) topic(w http.ResponseWriter, r *http.Request) error {
	name, err := topicName(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	config, err := a.Topics.Get(r.Context(), name)
	if err != nil {
		return err
	}
	summary, err := a.Reader.Summary(r.Context(), name)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(summary.Head))
	return writeJSON(w, http.StatusOK, topicView{
		TopicConfig: masked(config), Head: summary.Head, Events: int64(summary.Events),
		FirstRecorded: timeOrNone(summary.FirstRecorded), LastRecorded: timeOrNone(summary.LastRecorded),
	})
}

func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return core.FormatTime(t)
}

// createTopic answers POST /topics.
func (a *api) createTopic(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	var config core.TopicConfig
	err := jsonBody(w, r, func(c *cursor) (err error) {
		config, err = c.topicConfig()
		return err
	})
	if err != nil {
		return err
	}
	config, created, err := a.Topics.Create(r.Context(), config)
	if err != nil {
		return topicProblem(err)
	}
	w.Header().Set("Location", "/topics/"+config.Name)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, masked(config))
}

// topicConfig reads a configuration. A value that can't be one is the topic's problem, not the request's.
func (c *cursor) topicConfig() (config core.TopicConfig, err error) {
	fields := map[string]*string{"name": &config.Name, "adapter": &config.Adapter, "connection": &config.Connection,
		"schema": &config.Schema, "table": &config.Table, "description": &config.Description}
	err = c.object(func(name string) (err error) {
		switch target := fields[name]; {
		case target != nil:
			err = c.setting(target)
		case name == "options":
			config.Options, err = c.options()
		default:
			err = c.unknown("a topic", "name, adapter, connection, schema, table, options and description")
		}
		return err
	})
	return config, err
}

// setting reads a string into target.
func (c *cursor) setting(target *string) error {
	if kind := c.kind(); kind != '"' && kindNames[kind] != "" {
		return topicProblem(c.wrongType('"'))
	}
	text, err := c.string()
	*target = text
	return err
}

func (c *cursor) options() (map[string]string, error) {
	if kind := c.kind(); kind != '{' && kindNames[kind] != "" {
		return nil, topicProblem(c.wrongType('{'))
	}
	options := map[string]string{}
	err := c.object(func(name string) error {
		var value string
		err := c.setting(&value)
		options[name] = value
		return err
	})
	if len(options) == 0 {
		return nil, err
	}
	return options, err
}

// topicProblem is the problem of a registration, where what is invalid is the configuration.
func topicProblem(err error) error {
	var invalid *core.InvalidError
	if errors.As(err, &invalid) {
		return &problem{Code: "invalid-topic", Detail: strings.TrimSpace(invalid.Error())}
	}
	return err
}

// deleteTopic answers DELETE /topics/{topic}.
func (a *api) deleteTopic(w http.ResponseWriter, r *http.Request) error {
	name, err := topicName(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	if err := a.Topics.Delete(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// writeJSON answers with a value that is not an event.
func writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
	return nil
}
