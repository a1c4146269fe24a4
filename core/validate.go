package core

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The limits of what a publisher sends. Lengths of texts are in Unicode code points.
const (
	MaxEventSize     = 1 << 20  // bytes of one event's compact JSON
	MaxRequestSize   = 16 << 20 // bytes of a request's body
	MaxRequestEvents = 10_000
	MaxID            = 256
	MaxType          = 256
	MaxSource        = 512
	MaxSubject       = 512
	MaxTags          = 32
	MaxTag           = 256
	MaxMetadata      = 32 // keys
)

// DefaultContentType is the dataContentType of an event whose publisher gave none.
const DefaultContentType = "application/json"

// Validate checks all that a publisher sets, and that an id and a source are there (the
// store has given them where the publisher did not). place stands before the field's name
// in the error, as in "events[3]"; errors are [InvalidError]s. The size is for [Event.CheckSize].
func (e *Event) Validate(place string) error {
	for _, err := range []error{
		checkName(e.ID, at(place, "id"), MaxID),
		checkName(e.Type, at(place, "type"), MaxType),
		checkSource(e.Source, at(place, "source")),
		checkText(e.Subject, at(place, "subject"), MaxSubject),
		checkTags(e.Tags, at(place, "tags")),
		checkText(e.DataContentType, at(place, "dataContentType"), MaxSource),
		checkBase64(e, place),
		checkMetadata(e.Metadata, at(place, "metadata")),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func at(place, field string) string {
	if place == "" {
		return field
	}
	return place + "." + field
}

// CheckSize checks that the event, as its publisher sent it, is not over [MaxEventSize]: what the
// store gives an event does not count. The error is a [TooLargeError].
func (e *Event) CheckSize(place string) error {
	if e.sizeHint() <= MaxEventSize/2 { // escapes can't more than double what the hint counts, short of controls
		return nil
	}
	if size := e.Size(); size > MaxEventSize {
		return &TooLargeError{place, fmt.Sprintf("an event of %d bytes; the most is %d", size, MaxEventSize)}
	}
	return nil
}

func checkName(text, place string, most int) error {
	if text == "" {
		return Invalid(place, "is missing or empty; it has 1 to %d characters", most)
	}
	return checkText(text, place, most)
}

// checkText checks a text of at most most code points without control characters.
func checkText(text, place string, most int) error {
	if !utf8.ValidString(text) {
		return Invalid(place, "%q is not valid UTF-8", text)
	}
	if n := utf8.RuneCountInString(text); n > most {
		return Invalid(place, "%q… has %d characters; the most is %d", firstRunes(text, 20), n, most)
	}
	if i := strings.IndexFunc(text, unicode.IsControl); i >= 0 {
		return Invalid(place, "%q has a control character", text)
	}
	return nil
}

func firstRunes(text string, n int) string {
	for i := range text {
		if n--; n < 0 {
			return text[:i]
		}
	}
	return text
}

func checkSource(source, place string) error {
	if err := checkName(source, place, MaxSource); err != nil {
		return err
	}
	if _, err := url.Parse(source); err != nil || strings.ContainsAny(source, " <>\"{}|\\^`") {
		return Invalid(place, "%q is not a URI reference", source)
	}
	return nil
}

func checkTags(tags []string, place string) error {
	if len(tags) > MaxTags {
		return Invalid(place, "%d tags; the most is %d", len(tags), MaxTags)
	}
	for i, tag := range tags {
		place := fmt.Sprintf("%s[%d]", place, i)
		if err := checkTag(tag, place); err != nil {
			return err
		}
		if slices.Contains(tags[:i], tag) {
			return Invalid(place, "%q is there twice", tag)
		}
	}
	return nil
}

func checkTag(tag, place string) error {
	if err := checkName(tag, place, MaxTag); err != nil {
		return err
	}
	if strings.Contains(tag, ",") {
		return Invalid(place, "%q has a comma", tag)
	}
	return nil
}

func checkBase64(e *Event, place string) error {
	if e.DataBase64 == "" {
		return nil
	}
	if e.Data != "" {
		return Invalid(at(place, "dataBase64"), "an event has data or dataBase64, not both")
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(e.DataBase64); err != nil || strings.ContainsAny(e.DataBase64, "\r\n") {
		return Invalid(at(place, "dataBase64"), "is not standard base64 with padding")
	}
	return nil
}

// reserved are the attribute names that metadata may not use: CloudEvents' own and the
// extensions in which the store's fields travel. CloudEvents' dataschema is not among them,
// since it has no field of its own here and is kept as metadata.
var reserved = []string{
	"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data",
	"sequence", "recordedtime", "tags", "more", "hash",
}

// ReservedAttribute reports whether metadata may not have this key.
func ReservedAttribute(name string) bool { return slices.Contains(reserved, name) }

// Attribute is one entry of an event's metadata.
type Attribute struct {
	Name  string
	Kind  byte   // 's' a string, 'n' a number, 'b' a boolean
	Value string // the string, or the number or boolean as it stands in the JSON
}

// ParseMetadata reads metadata's entries in the order they were sent; "" has none. An
// error says which key is not as the rules want it.
func ParseMetadata(metadata string) ([]Attribute, error) {
	if metadata == "" {
		return nil, nil
	}
	decoder := jsontext.NewDecoder(strings.NewReader(metadata))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, errors.New("is not an object")
	}
	var attributes []Attribute
	for decoder.PeekKind() == '"' {
		attribute, err := readAttribute(decoder)
		if err != nil {
			return nil, err
		}
		attributes = append(attributes, attribute)
	}
	if _, err := decoder.ReadToken(); err != nil {
		return nil, err
	}
	return attributes, nil
}

func readAttribute(decoder *jsontext.Decoder) (Attribute, error) {
	token, err := decoder.ReadToken()
	if err != nil {
		return Attribute{}, err
	}
	a := Attribute{Name: token.String()}
	switch decoder.PeekKind() {
	case '"':
		a.Kind = 's'
	case '0':
		a.Kind = 'n'
	case 't', 'f':
		a.Kind = 'b'
	default:
		return a, fmt.Errorf("%q is not a string, a number or a boolean", a.Name)
	}
	token, err = decoder.ReadToken()
	if err != nil {
		return a, err
	}
	a.Value = token.String()
	return a, nil
}

func checkMetadata(metadata, place string) error {
	attributes, err := ParseMetadata(metadata)
	if err != nil {
		return Invalid(place, "%v", err)
	}
	if len(attributes) > MaxMetadata {
		return Invalid(place, "%d keys; the most is %d", len(attributes), MaxMetadata)
	}
	for _, a := range attributes {
		if err := checkAttribute(a, place); err != nil {
			return err
		}
	}
	return nil
}

func checkAttribute(a Attribute, place string) error {
	odd := strings.IndexFunc(a.Name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if a.Name == "" || odd >= 0 {
		return Invalid(place, "the key %q is not of a–z and 0–9 alone", a.Name)
	}
	if ReservedAttribute(a.Name) {
		return Invalid(at(place, a.Name), "is a name that the store or CloudEvents uses itself")
	}
	if strings.IndexFunc(a.Value, unicode.IsControl) >= 0 {
		return Invalid(at(place, a.Name), "%q has a control character", a.Value)
	}
	return nil
}
