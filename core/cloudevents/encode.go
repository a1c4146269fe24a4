// Package cloudevents writes events as CloudEvents 1.0 in their JSON format, alone and in
// batches: what subscriptions deliver and what the API answers in those media types.
package cloudevents

import (
	"fmt"
	"strconv"
	"strings"

	"eventstore/core"
)

// The media types of the JSON format.
const (
	MediaType      = "application/cloudevents+json"
	BatchMediaType = "application/cloudevents-batch+json"
)

// Append writes e as one structured CloudEvent, compact JSON, behind b. The same event gives
// the same bytes whenever it is written. The store's own fields are the extensions sequence
// (the position, padded with zeros so that it sorts), recordedtime, more, tags (joined by
// commas) and hash; each metadata key is an extension of its own.
//
// A number in metadata stays one where CloudEvents has it, as a whole number of 32 bits, and
// is a string otherwise, since a receiver would refuse or round it.
func Append(b []byte, e *core.Event) []byte {
	b = append(b, `{"specversion":"1.0"`...)
	b = appendText(b, `,"id":`, e.ID)
	b = appendText(b, `,"source":`, e.Source)
	b = appendText(b, `,"type":`, e.Type)
	b = appendText(b, `,"subject":`, e.Subject)
	b = appendText(b, `,"time":`, core.FormatTime(e.Time))
	b = appendText(b, `,"datacontenttype":`, e.DataContentType)
	b = appendText(b, `,"sequence":`, Sequence(e.Position))
	b = appendText(b, `,"recordedtime":`, core.FormatTime(e.Recorded))
	if e.More {
		b = append(b, `,"more":true`...)
	}
	b = appendText(b, `,"tags":`, strings.Join(e.Tags, ","))
	b = appendText(b, `,"hash":`, e.Hash.String())
	b = appendMetadata(b, e.Metadata)
	if e.Data != "" {
		b = append(append(b, `,"data":`...), e.Data...)
	}
	b = appendText(b, `,"data_base64":`, e.DataBase64)
	return append(b, '}')
}

// AppendBatch writes events as a batch, a JSON array of structured CloudEvents, behind b.
func AppendBatch(b []byte, events []core.Event) []byte {
	b = append(b, '[')
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = Append(b, &events[i])
	}
	return append(b, ']')
}

// Sequence is the sequence attribute of an event at this position: 20 digits, so that the
// order of the texts is that of the positions.
func Sequence(position core.Position) string { return fmt.Sprintf("%020d", position) }

func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return core.AppendString(append(b, name...), text)
}

// appendMetadata writes the extensions. What was stored has been checked, so that an entry
// which can't be read does not occur.
func appendMetadata(b []byte, metadata string) []byte {
	attributes, _ := core.ParseMetadata(metadata)
	for _, a := range attributes {
		b = append(core.AppendString(append(b, ','), a.Name), ':')
		if a.Kind == 'b' || a.Kind == 'n' && isInteger(a.Value) {
			b = append(b, a.Value...)
		} else {
			b = core.AppendString(b, a.Value)
		}
	}
	return b
}

// isInteger reports whether a JSON number is a CloudEvents Integer in its one spelling.
func isInteger(number string) bool {
	n, err := strconv.ParseInt(number, 10, 32)
	return err == nil && strconv.FormatInt(n, 10) == number
}
