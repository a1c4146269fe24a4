package cli

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func publishCommand(w World) *cobra.Command {
	c := asking(w, "publish TOPIC [DATA|EVENTS]", "publish an event, or several, all or none", cobra.RangeArgs(1, 2), (*talk).publish, topicNames)
	c.Long = `Publish events.

With --type it is one event, whose data is DATA, or what --file holds (- is standard input).
Without it EVENTS, --file or standard input holds whole events: one, an array, or one a line. They are one request,
stored together or not at all; handler import takes more than a request holds.

An event without an id is given one, and a publish that was not answered is repeated: it is stored once.`
	flags := c.Flags()
	flags.String("type", "", "the event's `type`")
	flags.String("subject", "", "what the event is about: its `subject`")
	flags.StringArray("tag", nil, "a `tag`; may be repeated")
	flags.String("id", "", "its `id`; else one is made")
	flags.String("source", "", "where it comes from: a `URI` reference")
	flags.String("time", "", "when it happened, as an RFC 3339 `time`")
	flags.StringArray("metadata", nil, "`NAME=VALUE`; may be repeated")
	flags.String("content-type", "", "the media `type` of data that is not JSON, which is sent as it is")
	flags.String("file", "", "the `file` with the data or the events; - is standard input")
	flags.Int64("if-head", 0, "store them only if the topic's head is this `position`")
	flags.Bool("if-empty", false, "store them only if the topic is empty")
	flags.StringArray("fail-if", nil, `refuse them if an event matches this `+"`item`"+`: {"types":[…],"subjects":[…],"tags":[…]}; may be repeated`)
	flags.Int64("after", 0, "of --fail-if: only events behind this `position` count")
	return c
}

// ofOneEvent are the flags that describe one.
var ofOneEvent = []string{"subject", "tag", "id", "source", "time", "metadata", "content-type"}

func (t *talk) publish(args []string) error {
	events, err := t.published(args[1:])
	if err != nil {
		return err
	}
	condition, header, err := t.condition()
	if err != nil {
		return err
	}
	body := append([]byte(`{"events":[`), bytes.Join(events, []byte(","))...)
	body = append(append(append(body, ']'), condition...), '}')
	var answer []byte
	err = t.again(func() (err error) {
		answer, err = t.ask(t.ctx, http.MethodPost, topicPath(args[0], "events"), body, header...)
		return err
	})
	if err != nil {
		return err
	}
	return t.say(answer)
}

// published are the events of the command line.
func (t *talk) published(rest []string) ([][]byte, error) {
	if t.given("type") {
		event, err := t.described(rest)
		return [][]byte{event}, err
	}
	for _, name := range ofOneEvent {
		if t.given(name) {
			return nil, Usage("--%s describes one event, which needs a --type too; several have their fields in themselves", name)
		}
	}
	if len(rest) == 0 && !t.given("file") {
		rest = []string{"-"}
	}
	text, err := t.input(rest)
	if err != nil {
		return nil, err
	}
	events, err := eventsOf(text)
	if err != nil {
		return nil, fmt.Errorf("reading the events: %w", err)
	}
	return events, nil
}

// input is what was given: on the command line, in a file or on standard input.
func (t *talk) input(rest []string) ([]byte, error) {
	switch file := t.text("file"); {
	case file != "" && len(rest) > 0:
		return nil, Usage("give %q or --file, not both", rest[0])
	case file == "-" || file == "" && len(rest) > 0 && rest[0] == "-":
		return io.ReadAll(t.Stdin)
	case file != "":
		return os.ReadFile(file)
	case len(rest) > 0:
		return []byte(rest[0]), nil
	}
	return nil, nil
}

// event is one as it is published.
type event struct {
	ID              string            `json:"id"`
	Type            string            `json:"type"`
	Source          string            `json:"source,omitzero"`
	Subject         string            `json:"subject,omitzero"`
	Tags            []string          `json:"tags,omitempty"`
	Time            string            `json:"time,omitzero"`
	DataContentType string            `json:"dataContentType,omitzero"`
	Data            jsontext.Value    `json:"data,omitzero"`
	DataBase64      string            `json:"dataBase64,omitzero"`
	Metadata        map[string]string `json:"metadata,omitempty"`
}

// described is the event that flags describe.
func (t *talk) described(rest []string) ([]byte, error) {
	metadata, err := pairs("metadata", t.texts("metadata"))
	if err != nil {
		return nil, err
	}
	data, err := t.input(rest)
	if err != nil {
		return nil, err
	}
	e := event{ID: t.text("id"), Type: t.text("type"), Source: t.text("source"), Subject: t.text("subject"), Tags: t.texts("tag"), Time: t.text("time"),
		DataContentType: t.text("content-type"), Metadata: metadata}
	if e.ID == "" {
		e.ID = newID()
	}
	switch value := jsontext.Value(bytes.TrimSpace(data)); {
	case data == nil:
	case !isJSON(e.DataContentType):
		e.DataBase64 = base64.StdEncoding.EncodeToString(data)
	case !value.IsValid():
		return nil, Usage(`the data is not JSON: %.60q; a string is '"in quotes"', and other data has a --content-type`, data)
	default:
		e.Data = value
	}
	return json.Marshal(e, json.Deterministic(true), jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// condition is what the flags demand of the topic: a member of the body, and headers.
func (t *talk) condition() (member []byte, header []string, err error) {
	switch {
	case t.is("if-empty") && t.given("if-head"):
		return nil, nil, Usage("--if-empty and --if-head exclude each other")
	case t.is("if-empty"):
		header = []string{"If-None-Match", "*"}
	case t.given("if-head"):
		header = []string{"If-Match", `"` + strconv.FormatInt(t.number("if-head"), 10) + `"`}
	}
	failIf, err := items("fail-if", t.texts("fail-if"))
	if err != nil || len(failIf) == 0 {
		if err == nil && t.given("after") {
			err = Usage("--after belongs to --fail-if")
		}
		return nil, header, err
	}
	text, err := json.Marshal(struct {
		FailIfMatch []jsontext.Value `json:"failIfMatch"`
		After       int64            `json:"after,omitzero"`
	}{failIf, t.number("after")})
	return append([]byte(`,"condition":`), text...), header, err
}
