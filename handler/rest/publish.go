package rest

import (
	"net/http"
	"strconv"
	"strings"

	"eventstore/core"
	"eventstore/core/cloudevents"
	"eventstore/core/commands"
)

const publishTypes = "application/json, application/x-ndjson, " + cloudevents.MediaType + ", " + cloudevents.BatchMediaType +
	", or any other type with ce- headers"

// publish answers POST /topics/{topic}/events.
func (a *api) publish(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	if err := plainEncoding(r); err != nil {
		return err
	}
	head, err := headCondition(r.Header)
	if err != nil {
		return err
	}
	decode, err := decoderOf(r.Header)
	if err != nil {
		return err
	}
	if decode == nil {
		return a.importLines(w, r, topic, head)
	}
	p, err := decodeBody(w, r, decode)
	if err != nil {
		return err
	}
	p.Condition.Head = head
	result, err := a.Publisher.Publish(r.Context(), topic, commands.Request{Events: p.Events, Condition: p.Condition})
	if err != nil {
		return publishProblem(err, p.Single)
	}
	return writeResult(w, &result)
}

func decodeBody(w http.ResponseWriter, r *http.Request, decode func([]byte) (publication, error)) (publication, error) {
	body, release, err := readBody(w, r, core.MaxRequestSize)
	if err != nil {
		return publication{}, err
	}
	defer release()
	return decode(body)
}

// decoderOf chooses how a publish's body is read, by its content type and ce- headers; nil stands
// for an import.
func decoderOf(header http.Header) (func([]byte) (publication, error), error) {
	kind := mediaType(header.Get("Content-Type"))
	switch kind {
	case cloudevents.MediaType:
		return decodeCloudEvent, nil
	case cloudevents.BatchMediaType:
		return decodeCloudEvents, nil
	}
	switch {
	case strings.HasPrefix(kind, "application/cloudevents"):
	case hasAttributes(header):
		return func(body []byte) (publication, error) { return decodeBinary(header, body) }, nil
	case kind == typeJSON:
		return decodePublish, nil
	case kind == typeNDJSON:
		return nil, nil
	}
	return nil, unsupported(kind, publishTypes)
}

func hasAttributes(header http.Header) bool {
	for key := range header {
		if strings.HasPrefix(key, cePrefix) {
			return true
		}
	}
	return false
}

// headCondition reads If-Match: "42" (the head must be 42) and If-None-Match: * (the topic must be empty).
func headCondition(header http.Header) (*core.Position, error) {
	match, noneMatch := header["If-Match"], header["If-None-Match"]
	switch {
	case len(match) == 0 && len(noneMatch) == 0:
		return nil, nil
	case len(match) > 0 && len(noneMatch) > 0:
		return nil, invalidRequest("the header If-Match", "stands beside If-None-Match; give one of them")
	case len(noneMatch) > 0:
		if len(noneMatch) != 1 || noneMatch[0] != "*" {
			return nil, invalidRequest("the header If-None-Match", quoted(clip(strings.Join(noneMatch, ", ")))+` is not *, the one value it takes here`)
		}
		return new(core.Position), nil
	}
	text := strings.Join(match, ", ")
	head, ok := entityTag(text)
	if !ok {
		return nil, invalidRequest("the header If-Match", quoted(clip(text))+` is not a position in quotes, such as "42"`)
	}
	return &head, nil
}

// entityTag reads a position in quotes, written as an answer's ETag writes it.
func entityTag(text string) (core.Position, bool) {
	digits := strings.Trim(text, `"`)
	n, err := strconv.ParseInt(digits, 10, 64)
	return core.Position(n), err == nil && n >= 0 && text == `"`+strconv.FormatInt(n, 10)+`"`
}

// writeResult answers 201, or 200 when every event was there already.
func writeResult(w http.ResponseWriter, result *commands.Result) error {
	b := make([]byte, 0, 160+64*len(result.Events))
	b = appendPlaces(b, result.Topic, result.First, result.Last, result.Head)
	b = append(b, `,"events":[`...)
	repeated := true
	for i, stored := range result.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendStored(b, &stored)
		repeated = repeated && stored.Duplicate
	}
	b = append(b, ']', '}', '\n')
	return writeStored(w, result.Topic, result.First, result.Head, repeated, b)
}

func appendPlaces(b []byte, topic string, first, last, head core.Position) []byte {
	b = core.AppendString(append(b, `{"topic":`...), topic)
	b = strconv.AppendInt(append(b, `,"first":`...), int64(first), 10)
	b = strconv.AppendInt(append(b, `,"last":`...), int64(last), 10)
	return strconv.AppendInt(append(b, `,"head":`...), int64(head), 10)
}

func appendStored(b []byte, stored *commands.Stored) []byte {
	b = core.AppendString(append(b, `{"id":`...), stored.ID)
	b = strconv.AppendInt(append(b, `,"position":`...), int64(stored.Position), 10)
	if stored.Duplicate {
		b = append(b, `,"duplicate":true`...)
	}
	return append(b, '}')
}

func writeStored(w http.ResponseWriter, topic string, first, head core.Position, repeated bool, body []byte) error {
	h, values := w.Header(), []string{eventPath(topic, first), etag(head)}
	h["Content-Type"] = jsonType
	h["Location"] = values[:1:1]
	h["Etag"] = values[1:]
	if !repeated {
		w.WriteHeader(http.StatusCreated)
	}
	_, _ = w.Write(body) // a client that has gone will ask again, with the same ids
	return nil
}

var jsonType = []string{typeJSON}

func eventPath(topic string, position core.Position) string {
	return "/topics/" + topic + "/events/" + strconv.FormatInt(int64(position), 10)
}

// etag is a head as an entity tag.
func etag(head core.Position) string { return `"` + strconv.FormatInt(int64(head), 10) + `"` }
