package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"eventstore/core"
	"eventstore/core/cloudevents"
	"eventstore/core/queries"
)

const (
	// pageLimit is the number of events in a page where none is given.
	pageLimit = 100
	// mostPaged is the most events in a page.
	mostPaged = 10_000
	// mostWait is the most seconds to wait for a first event.
	mostWait = int64(queries.MaxWait / time.Second)
)

// selection is what a query asks for, from a query string or a posted body.
type selection struct {
	queries.PageQuery
	limited bool // a limit was given
}

var queryParameters = []string{"from", "limit", "direction", "type", "subject", "tag", "since", "until", "wait"}

// query answers GET and HEAD /topics/{topic}/events.
func (a *api) query(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	given, err := parameters(r, queryParameters...)
	if err != nil {
		return err
	}
	wanted, err := selectionOf(given)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		return a.head(w, r, topic)
	}
	return a.answer(w, r, topic, wanted, given)
}

// selectionOf reads a query string.
func selectionOf(given map[string]string) (s selection, err error) {
	limit, wait := int64(0), int64(0)
	for _, read := range []func() error{
		func() (err error) { s.From, err = positionParameter(given, "from"); return err },
		func() (err error) {
			limit, err = numberParameter(given, "limit", 1, int64(core.MaxPosition), 0)
			return err
		},
		func() (err error) { wait, err = numberParameter(given, "wait", 0, mostWait, 0); return err },
		func() (err error) { s.Since, err = timeParameter(given, "since"); return err },
		func() (err error) { s.Until, err = timeParameter(given, "until"); return err },
		func() (err error) { s.Backward, err = backward(given["direction"]); return err },
		func() (err error) { s.Filter, err = filterOf(given); return err },
	} {
		if err := read(); err != nil {
			return s, err
		}
	}
	s.Limit, s.limited = int(limit), limit != 0
	s.Wait = time.Duration(wait) * time.Second
	return s, nil
}

func backward(direction string) (bool, error) {
	if direction != "" && direction != "forward" && direction != "backward" {
		return false, invalidRequest("direction", quoted(clip(direction))+" is not forward or backward")
	}
	return direction == "backward", nil
}

// filterOf is the one item that type, subject and tag make, by the rules of a posted one; no filter without them.
func filterOf(given map[string]string) (filter core.Filter, err error) {
	var item core.Item
	if item.Types, err = listParameter(given, "type"); err != nil {
		return nil, err
	}
	if item.Subjects, err = listParameter(given, "subject"); err != nil {
		return nil, err
	}
	if item.Tags, err = listParameter(given, "tag"); err != nil {
		return nil, err
	}
	if item.Types == nil && item.Subjects == nil && item.Tags == nil {
		return nil, nil
	}
	if err := item.Validate(""); err != nil {
		var invalid *core.InvalidError
		if errors.As(err, &invalid) {
			invalid.Place = strings.Replace(invalid.Place, "s[", "[", 1) // as the parameters are called
		}
		return nil, err
	}
	return core.Filter{item}, nil
}

// postQuery answers POST /topics/{topic}/query.
func (a *api) postQuery(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	var wanted selection
	err = jsonBody(w, r, func(c *cursor) (err error) {
		wanted, err = c.selection()
		return err
	})
	if err != nil {
		return err
	}
	return a.answer(w, r, topic, wanted, nil)
}

// selection reads a posted query.
func (c *cursor) selection() (s selection, err error) {
	err = c.object(func(name string) (err error) {
		var n int64
		switch name {
		case "filter":
			s.Filter, err = c.items()
		case "from":
			n, err = c.integer(1)
			s.From = core.Position(n)
		case "limit":
			n, err = c.integer(1)
			s.Limit, s.limited = int(n), true
		case "wait":
			if n, err = c.integer(0); err == nil && n > mostWait {
				err = c.invalid("%d is more than the %d seconds that a query may wait", n, mostWait)
			}
			s.Wait = time.Duration(n) * time.Second
		case "direction":
			err = c.direction(&s)
		case "since":
			s.Since, err = c.moment()
		case "until":
			s.Until, err = c.moment()
		default:
			err = c.unknown("a query", "filter, from, limit, direction, since, until and wait")
		}
		return err
	})
	return s, err
}

func (c *cursor) direction(s *selection) error {
	text, err := c.filled()
	if err != nil {
		return err
	}
	if s.Backward, err = backward(text); err != nil {
		return c.invalid("%q is not forward or backward", clip(text))
	}
	return nil
}

// moment reads a bound of recorded times.
func (c *cursor) moment() (t time.Time, err error) {
	text, err := c.string()
	if err != nil {
		return t, err
	}
	if t, err = core.ParseBound(text); err != nil {
		return t, c.invalid("%v", err)
	}
	return t, nil
}

// answer reads what is wanted, in the media type that the client likes best. given are the query
// string's parameters, for the link to the next page; nil for a posted query, which has none.
func (a *api) answer(w http.ResponseWriter, r *http.Request, topic string, wanted selection, given map[string]string) error {
	media, err := accepted(r, typeJSON, typeNDJSON, typeStream, cloudevents.BatchMediaType)
	if err != nil {
		return err
	}
	w.Header()["Vary"] = []string{"Accept"}
	if media == typeNDJSON || media == typeStream || wanted.Wait > 0 {
		leave, err := a.last()
		if err != nil {
			return err
		}
		defer leave()
	}
	switch media {
	case typeNDJSON:
		return a.streamLines(w, r, topic, wanted)
	case typeStream:
		return a.streamEvents(w, r, topic, wanted)
	}
	return a.page(w, r, topic, wanted, given, media)
}

// page answers one page of events, as JSON or as a batch of CloudEvents.
func (a *api) page(w http.ResponseWriter, r *http.Request, topic string, wanted selection, given map[string]string, media string) error {
	switch {
	case !wanted.limited:
		wanted.Limit = pageLimit
	case wanted.Limit > mostPaged:
		return invalidRequest("limit", strconv.Itoa(wanted.Limit)+" is more than the 10000 events that a page may have; a stream ("+typeNDJSON+") has no limit")
	}
	ctx, cancel := a.untilStopping(r)
	defer cancel()
	page, err := a.Reader.Page(ctx, topic, wanted.PageQuery)
	if err != nil {
		return err
	}
	h := w.Header()
	h["Etag"] = []string{etag(page.Head)}
	if page.More && page.Next > 0 && r.Method == http.MethodGet {
		h["Link"] = []string{nextLink(topic, given, page.Next)}
	}
	h["Content-Type"] = []string{media}
	if media == typeJSON {
		_, _ = w.Write(appendPage(topic, &page)) // a client that has gone needs no answer
		return nil
	}
	_, _ = w.Write(cloudevents.AppendBatch(nil, page.Events))
	return nil
}

// appendPage writes a page: each event's stored line, as it is.
func appendPage(topic string, page *queries.Page) []byte {
	size := 128 + len(topic)
	for i := range page.Events {
		size += len(page.Events[i].Data) + 512
	}
	b := core.AppendString(append(make([]byte, 0, size), `{"topic":`...), topic)
	b = append(b, `,"events":[`...)
	for i := range page.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, page.Events[i].Line()...)
	}
	b = append(b, ']')
	if page.Next > 0 {
		b = strconv.AppendInt(append(b, `,"next":`...), int64(page.Next), 10)
	}
	b = strconv.AppendInt(append(b, `,"head":`...), int64(page.Head), 10)
	return append(b, '}', '\n')
}

// nextLink is the address of the following page: the same query from another position.
func nextLink(topic string, given map[string]string, next core.Position) string {
	values := url.Values{}
	for name, value := range given {
		values.Set(name, value)
	}
	values.Set("from", strconv.FormatInt(int64(next), 10))
	return "</topics/" + topic + "/events?" + values.Encode() + `>; rel="next"`
}

// head answers HEAD /topics/{topic}/events: where the topic ends.
func (a *api) head(w http.ResponseWriter, r *http.Request, topic string) error {
	head, err := a.Reader.Head(r.Context(), topic)
	if err != nil {
		return err
	}
	w.Header()["Etag"] = []string{etag(head.Position)}
	return nil
}
