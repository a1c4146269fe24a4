package rest

import (
	"encoding/base64"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"eventstore/core"
)

// decodeCloudEvent reads one CloudEvent in the JSON format (structured mode).
func decodeCloudEvent(body []byte) (p publication, err error) {
	p.Single = true
	err = readJSON(body, func(c *cursor) error {
		event, err := c.cloudEvent()
		p.Events = []core.Event{event}
		return err
	})
	return p, err
}

// decodeCloudEvents reads an array of them (batched mode).
func decodeCloudEvents(body []byte) (p publication, err error) {
	err = readJSON(body, func(c *cursor) (err error) {
		c.root = "events"
		p.Events, err = c.events((*cursor).cloudEvent)
		return err
	})
	return p, err
}

// cloudEvent reads an object of the JSON format.
func (c *cursor) cloudEvent() (core.Event, error) {
	a := attributes{}
	err := c.object(func(name string) error { return c.attribute(&a, name) })
	if err != nil {
		return core.Event{}, err
	}
	missing, err := a.finish()
	if err == nil && missing != "" {
		return core.Event{}, core.Invalid(c.within(missing), "is missing; a CloudEvent has specversion, id, source and type")
	}
	return a.event, err
}

// attribute reads one member of a CloudEvent. A null attribute is as absent, as the format says.
func (c *cursor) attribute(a *attributes, name string) (err error) {
	switch name {
	case "data":
		a.event.Data, err = c.value()
		return err
	case "data_base64":
		a.event.DataBase64, err = c.string()
		return err
	}
	kind := c.kind()
	if kind == 'n' {
		_, err = c.value()
		return err
	}
	if kind == '"' {
		text, err := c.string()
		if err != nil {
			return err
		}
		return c.told(a.set(name, text))
	}
	if core.ReservedAttribute(name) && !dropped(name) {
		return c.wrongType('"')
	}
	raw, err := c.value()
	if err == nil && !dropped(name) {
		a.keep(name, raw)
	}
	return err
}

// told gives what is wrong with an attribute its place.
func (c *cursor) told(reason string) error {
	if reason == "" {
		return nil
	}
	return c.invalid("%s", reason)
}

// decodeBinary reads a CloudEvent in binary mode: attributes in ce- headers, data in the body.
func decodeBinary(header http.Header, body []byte) (publication, error) {
	a := attributes{}
	for _, key := range ceHeaders(header) {
		name := strings.ToLower(key[len(cePrefix):])
		text, reason := headerText(header[key])
		if reason == "" {
			reason = a.setHeader(name, text)
		}
		if reason != "" {
			return publication{}, core.Invalid("the header ce-"+name, "%s", reason)
		}
	}
	missing, err := a.finish()
	if err == nil && missing != "" {
		err = core.Invalid("the header ce-"+missing, "is missing; a CloudEvent has ce-specversion, ce-id, ce-source and ce-type")
	}
	if err == nil {
		err = setData(&a.event, header.Get("Content-Type"), body)
	}
	return publication{Events: []core.Event{a.event}, Single: true}, err
}

const cePrefix = "Ce-"

// ceHeaders are the canonical names of the ce- headers, sorted, so that metadata has one order.
func ceHeaders(header http.Header) (keys []string) {
	for key := range header {
		if strings.HasPrefix(key, cePrefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// setData keeps a body as JSON where its type says that it is, else as base64.
func setData(e *core.Event, contentType string, body []byte) (err error) {
	e.DataContentType = contentType
	if len(body) == 0 {
		return nil
	}
	if contentType == "" {
		e.DataContentType = "application/octet-stream"
	}
	if !isJSON(e.DataContentType) {
		e.DataBase64 = base64.StdEncoding.EncodeToString(body)
		return nil
	}
	return readJSON(body, func(c *cursor) error {
		c.root = "data"
		e.Data, err = c.value()
		return err
	})
}

// isJSON reports whether a media type says that its content is JSON: its subtype is json or ends with
// +json, as CloudEvents' JSON format has it.
func isJSON(contentType string) bool {
	_, subtype, _ := strings.Cut(mediaType(contentType), "/")
	return subtype == "json" || strings.HasSuffix(subtype, "+json")
}

// mediaType is a content type without its parameters, in lower case.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(textproto.TrimString(kind))
}

// attributes gathers a CloudEvent's attributes into an event.
type attributes struct {
	event       core.Event
	specversion string
	metadata    []byte // {"name":value,… without its closing brace
}

// dropped are the attributes that this store gives its events when it sends them out.
func dropped(name string) bool {
	return name == "sequence" || name == "recordedtime" || name == "more" || name == "hash"
}

// set keeps an attribute whose value is a text, or says what is wrong with it.
func (a *attributes) set(name, text string) (reason string) {
	e := &a.event
	target := map[string]*string{"specversion": &a.specversion, "id": &e.ID, "source": &e.Source, "type": &e.Type,
		"subject": &e.Subject, "datacontenttype": &e.DataContentType}[name]
	switch {
	case dropped(name):
	case target != nil && text == "":
		return "is empty; leave it out, or give it a value"
	case target != nil:
		*target = text
	case name == "time":
		return a.setTime(text)
	case name == "tags":
		e.Tags = splitTags(text)
	default:
		a.keep(name, string(core.AppendString(nil, text)))
	}
	return ""
}

func (a *attributes) setTime(text string) (reason string) {
	var err error
	if a.event.Time, err = core.ParseTime(text); err != nil {
		return err.Error()
	}
	return ""
}

func splitTags(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// setHeader is set for an attribute that came as a header.
func (a *attributes) setHeader(name, text string) (reason string) {
	switch name {
	case "datacontenttype":
		return "is sent as Content-Type in binary mode"
	case "data", "data_base64":
		return "is no attribute; the data is the body in binary mode"
	}
	return a.set(name, text)
}

// keep makes an attribute an entry of the metadata; [core.Event.Validate] checks its name and value.
func (a *attributes) keep(name, json string) {
	separator := byte(',')
	if a.metadata == nil {
		separator = '{'
	}
	a.metadata = core.AppendString(append(a.metadata, separator), name)
	a.metadata = append(append(a.metadata, ':'), json...)
}

// finish completes the event. It names a required attribute that is missing.
func (a *attributes) finish() (missing string, err error) {
	if a.metadata != nil {
		a.event.Metadata = string(append(a.metadata, '}'))
	}
	switch {
	case a.specversion == "":
		return "specversion", nil
	case a.event.ID == "":
		return "id", nil
	case a.event.Source == "":
		return "source", nil
	case a.event.Type == "":
		return "type", nil
	case a.specversion != "1.0":
		return "", core.Invalid("specversion", "is %q; this store speaks CloudEvents 1.0", clip(a.specversion))
	}
	return "", nil
}

// headerText decodes an attribute's header as the HTTP binding says: quotes taken away, then one
// round of percent-decoding. Bytes that are not UTF-8 are read as ISO 8859-1, as some senders mean them.
func headerText(values []string) (text, reason string) {
	if len(values) != 1 {
		return "", "is there more than once"
	}
	raw := unquoteHeader(textproto.TrimString(values[0]))
	if !utf8.ValidString(raw) {
		raw = fromLatin1(raw)
	}
	text, ok := percentDecode(raw)
	switch {
	case !ok:
		return "", "has a % that two hex digits do not follow; a percent sign itself is %25"
	case !utf8.ValidString(text):
		return "", "is not UTF-8 when it is percent-decoded"
	}
	return text, ""
}

func unquoteHeader(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	b := make([]byte, 0, len(value))
	for i := 1; i < len(value)-1; i++ {
		if value[i] == '\\' && i < len(value)-2 {
			i++
		}
		b = append(b, value[i])
	}
	return string(b)
}

func fromLatin1(raw string) string {
	runes := make([]rune, 0, len(raw))
	for i := range len(raw) {
		runes = append(runes, rune(raw[i]))
	}
	return string(runes)
}

func percentDecode(raw string) (text string, ok bool) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, true
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			b = append(b, raw[i])
			continue
		}
		if len(raw) < i+3 || unhex(raw[i+1]) > 15 || unhex(raw[i+2]) > 15 {
			return "", false
		}
		b = append(b, unhex(raw[i+1])<<4|unhex(raw[i+2]))
		i += 2
	}
	return string(b), true
}

// unhex is the value of a hex digit, above 15 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
