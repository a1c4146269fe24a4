package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// storeSets are the fields of an event that the store gives it, which a publish may not have.
var storeSets = map[string]bool{"position": true, "recorded": true, "more": true, "hash": true}

// publishable is an event as it can be published, and published again: with an id, and, where it was exported, without
// what the other store gave it. Its data stays as it is, byte for byte.
func publishable(line []byte, exported bool) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewReader(line))
	if d.PeekKind() != '{' {
		return nil, errors.New("it is no JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	b, hasID := []byte(`{`), false
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		field := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if exported && storeSets[field] {
			continue
		}
		hasID = hasID || field == "id"
		if b, err = appendMember(b, field, value); err != nil {
			return nil, err
		}
	}
	if err := ended(d); err != nil {
		return nil, err
	}
	if !hasID {
		b, _ = appendMember(b, "id", jsontext.Value(`"`+newID()+`"`))
	}
	return append(b, '}'), nil
}

// ended reads an object's end, behind which there is nothing.
func ended(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the event")
	}
	return nil
}

func appendMember(b []byte, name string, value jsontext.Value) ([]byte, error) {
	if len(b) > 1 {
		b = append(b, ',')
	}
	b, err := jsontext.AppendQuote(b, name)
	return append(append(b, ':'), value...), err
}

// newID is an id that no other event has, so that a publish can be repeated.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	return id.String()
}

// eventsOf reads a text that is an event, an array of events, or one a line.
func eventsOf(text []byte) (events [][]byte, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if d.PeekKind() == '[' {
		if _, err := d.ReadToken(); err != nil {
			return nil, err
		}
	}
	for kind := d.PeekKind(); kind != ']'; kind = d.PeekKind() {
		value, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		event, err := publishable(value, false)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", len(events)+1, err)
		}
		events = append(events, event)
	}
	if len(events) == 0 {
		return nil, errors.New("there is no event")
	}
	return events, nil
}
