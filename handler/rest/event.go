package rest

import (
	"net/http"
	"strconv"
	"strings"

	"eventstore/core"
	"eventstore/core/cloudevents"
)

// event answers GET /topics/{topic}/events/{position}: the event's stored line, a CloudEvent in the
// JSON format, or, where the client accepts the media type of the event's own data, a CloudEvent in
// binary mode.
func (a *api) event(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	position, err := positionOf(r)
	if err != nil {
		return err
	}
	event, err := a.Reader.Event(r.Context(), topic, position)
	if err != nil {
		return err
	}
	offers := []string{typeJSON, cloudevents.MediaType}
	own := mediaType(event.DataContentType)
	if own != typeJSON && own != cloudevents.MediaType {
		offers = append(offers, own)
	}
	media, err := accepted(r, offers...)
	if err != nil {
		return err
	}
	if unchanged(w, r, &event, media) {
		return nil
	}
	return writeEvent(w, &event, media)
}

func positionOf(r *http.Request) (core.Position, error) {
	text := r.PathValue("position")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || text[0] == '+' {
		return 0, invalidRequest("the position", quoted(clip(text))+" is not a whole number from 1 to "+strconv.FormatInt(int64(core.MaxPosition), 10))
	}
	return core.Position(n), nil
}

// unchanged sets what a cache needs, and answers 304 where the client has the event. An event never
// changes; its tag is its hash, so that an event of another log is another one.
func unchanged(w http.ResponseWriter, r *http.Request, e *core.Event, media string) bool {
	tag := `"` + e.Hash.String() + `"`
	if media != typeJSON {
		tag = `"` + e.Hash.String() + `-` + strings.ReplaceAll(media, `"`, "") + `"`
	}
	h := w.Header()
	h["Etag"] = []string{tag}
	h["Cache-Control"] = immutable
	h["Vary"] = []string{"Accept"}
	if !hasTag(r.Header["If-None-Match"], tag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

var immutable = []string{"public, max-age=31536000, immutable"}

func hasTag(values []string, tag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(values, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

func writeEvent(w http.ResponseWriter, e *core.Event, media string) error {
	switch media {
	case typeJSON:
		w.Header()["Content-Type"] = jsonType
		_, _ = w.Write([]byte(e.Line())) // a client that has gone needs no answer
	case cloudevents.MediaType:
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(cloudevents.Append(nil, e))
	default:
		return writeBinary(w, e)
	}
	return nil
}
