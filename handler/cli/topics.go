package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func topicCommands(w World) *cobra.Command {
	list := asking(w, "list", "list the topics, one a line", cobra.NoArgs, func(t *talk, _ []string) error {
		return t.pages(t.ctx, "/topics", "topics", nil, func(topic jsontext.Value) error { return t.say(topic) })
	})
	show := asking(w, "show TOPIC", "show a topic: its configuration, head and times", cobra.ExactArgs(1), func(t *talk, args []string) error {
		return t.relay(http.MethodGet, topicPath(args[0]), nil)
	}, topicNames)
	remove := asking(w, "delete TOPIC", "unregister a topic; its events stay where they are (in memory they are gone)", cobra.ExactArgs(1), func(t *talk, args []string) error {
		if _, err := t.ask(t.ctx, http.MethodDelete, topicPath(args[0]), nil); err != nil {
			return err
		}
		t.note("topic %s is unregistered", args[0])
		return nil
	}, topicNames)
	return group("topics", "list, show, create, delete and verify topics", list, show, createCommand(w), remove, verifyCommand(w))
}

// createCommand registers topics.
func createCommand(w World) *cobra.Command {
	c := asking(w, "create TOPIC", "register a topic; the same configuration again is harmless", cobra.ExactArgs(1), (*talk).createTopic)
	c.Flags().String("adapter", "", "memory, fs, blob or `postgres`; else the instance's default")
	c.Flags().String("connection", "", "where the `storage` is; %NAME% is read from the instance's app setting NAME")
	c.Flags().String("schema", "", "the `schema` of a postgres topic")
	c.Flags().String("table", "", "the `table` of a postgres topic")
	c.Flags().String("description", "", "a `text` about it")
	c.Flags().StringArray("option", nil, "an option of the adapter, `NAME=VALUE`; may be repeated")
	return c
}

func (t *talk) createTopic(args []string) error {
	config := map[string]any{"name": args[0]}
	for _, name := range []string{"adapter", "connection", "schema", "table", "description"} {
		if t.given(name) {
			config[name] = t.text(name)
		}
	}
	options, err := pairs("option", t.texts("option"))
	if err != nil {
		return err
	}
	if len(options) > 0 {
		config["options"] = options
	}
	return t.relayJSON(http.MethodPost, "/topics", config)
}

// pairs reads NAME=VALUE, many times.
func pairs(flag string, given []string) (map[string]string, error) {
	read := map[string]string{}
	for _, text := range given {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, Usage("--%s is NAME=VALUE, not %q", flag, text)
		}
		read[name] = value
	}
	return read, nil
}

// verifyCommand has the instance check a topic's chain.
func verifyCommand(w World) *cobra.Command {
	c := asking(w, "verify TOPIC", "check a topic's events against the chain", cobra.ExactArgs(1), (*talk).verify, topicNames)
	c.Flags().Int64("from", 1, "the first `position`")
	c.Flags().Int64("to", 0, "the last `position`; else the head")
	return c
}

// verify checks in pieces: each answer says how far it came.
func (t *talk) verify(args []string) error {
	from, verified := t.number("from"), int64(0)
	for {
		query := url.Values{"from": {strconv.FormatInt(from, 10)}}
		if t.number("to") > 0 {
			query.Set("to", strconv.FormatInt(t.number("to"), 10))
		}
		text, err := t.ask(t.ctx, http.MethodGet, withQuery(topicPath(args[0], "verify"), query), nil)
		if err != nil {
			return err
		}
		var answer struct {
			To, Verified, Head int64
			Broken             *struct {
				Position int64
				Reason   string
			}
		}
		if err := json.Unmarshal(text, &answer, json.MatchCaseInsensitiveNames(true)); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		if err := t.say(text); err != nil {
			return err
		}
		if answer.Broken != nil {
			return fmt.Errorf("topic %s is broken at position %d: %s", args[0], answer.Broken.Position, answer.Broken.Reason)
		}
		verified += answer.Verified
		end := answer.Head
		if t.number("to") > 0 {
			end = min(end, t.number("to"))
		}
		if answer.To >= end || answer.Verified == 0 {
			t.note("%d events are verified", verified)
			return nil
		}
		from = answer.To + 1
	}
}

// relay sends a request and says what the instance answers.
func (t *talk) relay(method, path string, body []byte) error {
	text, err := t.ask(t.ctx, method, path, body)
	if err != nil || len(text) == 0 {
		return err
	}
	return t.say(text)
}

func (t *talk) relayJSON(method, path string, body any) error {
	text, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return err
	}
	return t.relay(method, path, text)
}

// topicNames lists topics, for completion.
func topicNames(t *talk, _ []string) ([]string, error) { return t.names("/topics", "topics", "name") }

// names lists one member of each value of a list.
func (t *talk) names(path, list, member string) (names []string, err error) {
	err = t.pages(t.ctx, path, list, nil, func(value jsontext.Value) error {
		members := map[string]jsontext.Value{}
		if err := json.Unmarshal(value, &members); err != nil {
			return err
		}
		var name string
		err := json.Unmarshal(members[member], &name)
		names = append(names, name)
		return err
	})
	return names, err
}
