package cli

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

// selection says which events of a topic are wanted.
type selection struct {
	topic                 string
	types, subjects, tags []string
	items                 []jsontext.Value // of --filter
	from, limit           int64            // 0: not said
	backward              bool
	since, until          string
	wait                  int64
}

// filterFlags are those of commands that select events.
func filterFlags(c *cobra.Command) {
	c.Flags().StringArray("type", nil, "events of this `type`, or of any of several; may be repeated, as may all of these")
	c.Flags().StringArray("subject", nil, "events about this `subject`, or any of several")
	c.Flags().StringArray("tag", nil, "events with this `tag`, and with all of several")
	c.Flags().StringArray("filter", nil, `events that match this `+"`item`"+`, or any of several: {"types":[…],"subjects":[…],"tags":[…]}`)
	c.Flags().Int64("from", 0, "the first `position`")
	c.Flags().Int64("limit", 0, "the most `events` to write")
}

func (t *talk) selection(topic string) (s selection, err error) {
	s = selection{topic: topic, types: t.texts("type"), subjects: t.texts("subject"), tags: t.texts("tag"), from: t.number("from"), limit: t.number("limit")}
	for _, name := range []string{"from", "limit"} {
		if t.given(name) && t.number(name) < 1 {
			return s, Usage("--%s is from 1 on", name)
		}
	}
	s.items, err = items("filter", t.texts("filter"))
	return s, err
}

// items reads items of a filter or a condition.
func items(flag string, given []string) (read []jsontext.Value, err error) {
	for _, text := range given {
		value := jsontext.Value(text)
		if !value.IsValid() || value.Kind() != '{' {
			return nil, Usage(`--%s is JSON such as {"types":["OrderPlaced"],"subjects":["order-1"]}, not %q`, flag, text)
		}
		read = append(read, value)
	}
	return read, nil
}

// posted reports whether the selection is more than a query string says.
func (s *selection) posted() bool {
	return len(s.items) > 0 || strings.Contains(strings.Join(s.types, "")+strings.Join(s.subjects, ""), ",")
}

// open asks for the selected events in a media type.
func (s *selection) open(ctx context.Context, c *client, media string) (*http.Response, error) {
	if !s.posted() {
		return c.send(ctx, http.MethodGet, withQuery(topicPath(s.topic, "events"), s.query()), nil, "Accept", media)
	}
	body, err := json.Marshal(s.body())
	if err != nil {
		return nil, err
	}
	return c.send(ctx, http.MethodPost, topicPath(s.topic, "query"), body, "Accept", media)
}

func (s *selection) query() url.Values {
	query := url.Values{}
	for name, values := range map[string][]string{"type": s.types, "subject": s.subjects, "tag": s.tags, "since": one(s.since), "until": one(s.until),
		"from": number(s.from), "limit": number(s.limit), "wait": number(s.wait)} {
		if len(values) > 0 {
			query.Set(name, strings.Join(values, ","))
		}
	}
	if s.backward {
		query.Set("direction", "backward")
	}
	return query
}

func one(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func number(n int64) []string {
	if n == 0 {
		return nil
	}
	return []string{strconv.FormatInt(n, 10)}
}

// postedQuery is the body of POST /topics/{topic}/query.
type postedQuery struct {
	Filter    []any  `json:"filter,omitempty"`
	From      int64  `json:"from,omitzero"`
	Limit     int64  `json:"limit,omitzero"`
	Direction string `json:"direction,omitzero"`
	Since     string `json:"since,omitzero"`
	Until     string `json:"until,omitzero"`
	Wait      int64  `json:"wait,omitzero"`
}

// item is one item of a filter.
type item struct {
	Types    []string `json:"types,omitempty"`
	Subjects []string `json:"subjects,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

func (s *selection) body() postedQuery {
	q := postedQuery{From: s.from, Limit: s.limit, Since: s.since, Until: s.until, Wait: s.wait}
	if s.backward {
		q.Direction = "backward"
	}
	for _, value := range s.items {
		q.Filter = append(q.Filter, value)
	}
	if len(s.types)+len(s.subjects)+len(s.tags) > 0 {
		q.Filter = append(q.Filter, item{s.types, s.subjects, s.tags})
	}
	return q
}

// lineReader is large enough that few lines need several reads.
func lineReader(answer *http.Response) *bufio.Reader {
	return bufio.NewReaderSize(answer.Body, 256<<10)
}

// positionOf is the position that an event's line begins with.
func positionOf(line []byte) (int64, error) {
	text, found := strings.CutPrefix(string(line[:min(len(line), 40)]), `{"position":`)
	digits, _, _ := strings.Cut(text, ",")
	position, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("the instance answered a line that is no event: %.60q", line)
	}
	return position, nil
}
