package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func projectionCommands(w World) *cobra.Command {
	list := asking(w, "list", "list the projections, one a line", cobra.NoArgs, func(t *talk, _ []string) error {
		return t.pages(t.ctx, "/projections", "projections", nil, func(p jsontext.Value) error { return t.say(p) })
	})
	remove := asking(w, "delete NAME", "delete a projection and its documents", cobra.ExactArgs(1), func(t *talk, args []string) error {
		if _, err := t.ask(t.ctx, http.MethodDelete, projectionPath(args[0]), nil); err != nil {
			return err
		}
		t.note("projection %s is deleted", args[0])
		return nil
	}, projectionNames)
	return group("projections", "list, show, put, try, rebuild and read projections", list, putCommand(w), tryCommand(w), remove, rebuildCommand(w),
		rollbackCommand(w), skipCommand(w), documentsCommand(w),
		onProjection(w, "show", "show what a projection is doing", http.MethodGet, ""),
		onProjection(w, "pause", "stop folding", http.MethodPost, "pause"),
		onProjection(w, "resume", "go on folding", http.MethodPost, "resume"))
}

// onProjection makes a command that needs a name alone.
func onProjection(w World, name, short, method, action string) *cobra.Command {
	return asking(w, name+" NAME", short, cobra.ExactArgs(1), func(t *talk, args []string) error {
		path := projectionPath(args[0])
		if action != "" {
			path += "/" + action
		}
		return t.relay(method, path, nil)
	}, projectionNames)
}

// definitionFlags say what a projection is.
func definitionFlags(c *cobra.Command) {
	c.Flags().String("source", "", "the `file` with its JavaScript; - is standard input")
	c.Flags().String("handler", "", "the `name` of a Go handler, instead of a source")
	c.Flags().StringArray("filter", nil, `fold events that match this `+"`item`"+`, or any of several: {"types":[…],"subjects":[…],"tags":[…]}`)
}

// definition reads those flags.
func (t *talk) definition() (map[string]any, error) {
	d := map[string]any{}
	source, err := t.fileOf("source")
	if err != nil {
		return nil, err
	}
	if t.given("source") {
		d["source"] = source
	}
	if t.given("handler") {
		d["handler"] = t.text("handler")
	}
	filter, err := items("filter", t.texts("filter"))
	if len(filter) > 0 {
		d["filter"] = filter
	}
	return d, err
}

func putCommand(w World) *cobra.Command {
	c := asking(w, "put NAME", "define a projection, or change it; a changed one is rebuilt beside the live version", cobra.ExactArgs(1), func(t *talk, args []string) error {
		d, err := t.definition()
		if err != nil {
			return err
		}
		if d["topics"] = t.texts("topic"); len(t.texts("topic")) == 0 {
			return Usage("put needs a --topic, or several, and a --source or --handler")
		}
		if t.given("schedule") {
			d["rebuild"] = map[string]string{"schedule": t.text("schedule")}
		}
		if t.given("description") {
			d["description"] = t.text("description")
		}
		return t.relayJSON(http.MethodPut, projectionPath(args[0]), d)
	}, projectionNames)
	definitionFlags(c)
	c.Flags().StringArray("topic", nil, "a `topic` that it reads; may be repeated")
	c.Flags().String("schedule", "", "when to rebuild it: a six-field NCRONTAB `schedule`")
	c.Flags().String("description", "", "a `text` about it")
	return c
}

func tryCommand(w World) *cobra.Command {
	c := asking(w, "try NAME", "fold events into documents and show those; nothing is changed", cobra.ExactArgs(1), func(t *talk, args []string) error {
		d, err := t.definition()
		if err != nil {
			return err
		}
		if t.given("events") == t.given("topic") {
			return Usage("try needs --events or --topic, and not both")
		}
		if t.given("topic") {
			d["topic"], d["last"] = t.text("topic"), t.number("last")
		} else if d["events"], err = t.eventsToTry(); err != nil {
			return err
		}
		return t.relayJSON(http.MethodPost, projectionPath(args[0], "try"), d)
	}, projectionNames)
	definitionFlags(c)
	c.Flags().String("topic", "", "the `topic` whose last events are folded")
	c.Flags().Int64("last", 100, "how many `events` of it")
	c.Flags().String("events", "", "the `file` with the events to fold: an array, or one a line")
	return c
}

func (t *talk) eventsToTry() (values []jsontext.Value, err error) {
	text, err := t.fileOf("events")
	if err != nil {
		return nil, err
	}
	events, err := eventsOf([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the events: %w", err)
	}
	for _, event := range events {
		values = append(values, event)
	}
	return values, nil
}

// fileOf is the content of the file that a flag names; "" where it names none.
func (t *talk) fileOf(flag string) (string, error) {
	switch name := t.text(flag); name {
	case "":
		return "", nil
	case "-":
		text, err := io.ReadAll(t.Stdin)
		return strings.TrimSuffix(string(text), "\n"), err
	default:
		text, err := os.ReadFile(name)
		return strings.TrimSuffix(string(text), "\n"), err
	}
}

func rebuildCommand(w World) *cobra.Command {
	c := asking(w, "rebuild NAME", "rebuild a projection beside its live version", cobra.ExactArgs(1), func(t *talk, args []string) error {
		text, err := t.ask(t.ctx, http.MethodPost, projectionPath(args[0], "rebuild"), nil)
		if err == nil && t.is("wait") {
			text, err = t.rebuilt(args[0])
		}
		if err != nil {
			return err
		}
		return t.say(text)
	}, projectionNames)
	c.Flags().Bool("wait", false, "until it is live")
	return c
}

// rebuilt waits until a rebuild is live.
func (t *talk) rebuilt(name string) (text []byte, err error) {
	progress := NewProgress(t.Stderr, "rebuilding", 1_000)
	defer progress.End()
	for {
		err := t.again(func() (err error) {
			text, err = t.ask(t.ctx, http.MethodGet, projectionPath(name), nil)
			return err
		})
		if err != nil {
			return nil, err
		}
		var status struct {
			State     string
			Rebuild   *struct{ Progress, EventsPerSecond float64 }
			LastError *struct {
				Message  string
				Attempts int
			}
		}
		if err := json.Unmarshal(text, &status, json.MatchCaseInsensitiveNames(true)); err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		switch {
		case status.LastError != nil:
			return nil, fmt.Errorf("the rebuild can't go on: %s", status.LastError.Message)
		case status.Rebuild == nil:
			return text, nil
		}
		progress.Done(int64(1_000*status.Rebuild.Progress), fmt.Sprintf("%.0f events/s", status.Rebuild.EventsPerSecond))
		if !rest(t.ctx, 500*time.Millisecond) {
			return nil, t.ctx.Err()
		}
	}
}

func rollbackCommand(w World) *cobra.Command {
	c := asking(w, "rollback NAME", "go back to the version before the last switch", cobra.ExactArgs(1), func(t *talk, args []string) error {
		if t.number("to") < 1 {
			return Usage("rollback needs --to, the version to go back to; show tells it as previous")
		}
		return t.relayJSON(http.MethodPost, projectionPath(args[0], "rollback"), map[string]int64{"to": t.number("to")})
	}, projectionNames)
	c.Flags().Int64("to", 0, "the `version`")
	return c
}

func skipCommand(w World) *cobra.Command {
	c := asking(w, "skip NAME", "go on past an event that can't be folded", cobra.ExactArgs(1), func(t *talk, args []string) error {
		if t.text("topic") == "" || t.number("position") < 1 {
			return Usage("skip needs --topic and --position, as show tells them in lastError")
		}
		return t.relayJSON(http.MethodPost, projectionPath(args[0], "skip"), map[string]any{"topic": t.text("topic"), "position": t.number("position")})
	}, projectionNames)
	c.Flags().String("topic", "", "the event's `topic`")
	c.Flags().Int64("position", 0, "its `position`")
	return c
}

// projectionNames lists projections, for completion.
func projectionNames(t *talk, _ []string) ([]string, error) {
	return t.names("/projections", "projections", "name")
}
