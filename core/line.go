package core

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"
)

// An event's line is its compact JSON, the fields in the order of the Event
// struct, then its hash; it is what is stored, chained and answered. The escapes
// are frozen, since a different byte would be a different hash: \" \\ \b \f \n \r
// \t, \u00xx for the other controls below U+0020, all else raw.

const (
	hashOpen  = `,"hash":"`
	hashClose = `"}`
	// hashSize is the length of `,"hash":"…"}`, with which every line ends.
	hashSize = len(hashOpen) + 2*sha256.Size + len(hashClose)
)

// Line is the event's stored line without its newline: the bytes that every
// JSON answer holds. It is encoded afresh only for an event that was neither
// sealed nor read as a line (a row of a table).
func (e *Event) Line() string {
	if e.line != "" {
		return e.line
	}
	return string(appendHash(appendBody(make([]byte, 0, e.sizeHint()), e), e.Hash))
}

// Size is the length in bytes of what the publisher sent of the event, as compact
// JSON: what the limit on an event's size is held against.
func (e *Event) Size() int {
	sent := Event{ID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, Tags: e.Tags, Time: e.Time,
		DataContentType: e.DataContentType, Data: e.Data, DataBase64: e.DataBase64, Metadata: e.Metadata}
	return len(appendBody(make([]byte, 0, e.sizeHint()), &sent)) - len(`"position":0,`)
}

func (e *Event) sizeHint() int {
	size := 320 + len(e.ID) + len(e.Type) + len(e.Source) + len(e.Subject) + len(e.DataContentType) +
		len(e.Data) + len(e.DataBase64) + len(e.Metadata)
	for _, tag := range e.Tags {
		size += len(tag) + 3
	}
	return size
}

// appendBody writes the line without its hash: `{…}`.
func appendBody(b []byte, e *Event) []byte {
	b = append(b, `{"position":`...)
	b = strconv.AppendInt(b, int64(e.Position), 10)
	b = appendText(b, `,"id":`, e.ID)
	b = appendText(b, `,"type":`, e.Type)
	b = appendText(b, `,"source":`, e.Source)
	b = appendText(b, `,"subject":`, e.Subject)
	b = appendTags(b, e.Tags)
	b = appendTime(b, `,"time":"`, e.Time)
	b = appendTime(b, `,"recorded":"`, e.Recorded)
	if e.More {
		b = append(b, `,"more":true`...)
	}
	b = appendText(b, `,"dataContentType":`, e.DataContentType)
	b = appendRaw(b, `,"data":`, e.Data)
	b = appendText(b, `,"dataBase64":`, e.DataBase64)
	b = appendRaw(b, `,"metadata":`, e.Metadata)
	return append(b, '}')
}

// appendHash turns a body into a line.
func appendHash(body []byte, h Hash) []byte {
	body = append(body[:len(body)-1], hashOpen...)
	body = hex.AppendEncode(body, h[:])
	return append(body, hashClose...)
}

func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return AppendString(append(b, name...), text)
}

func appendRaw(b []byte, name, json string) []byte {
	if json == "" {
		return b
	}
	return append(append(b, name...), json...)
}

func appendTags(b []byte, tags []string) []byte {
	if len(tags) == 0 {
		return b
	}
	b = append(b, `,"tags":`...)
	separator := byte('[')
	for _, tag := range tags {
		b = AppendString(append(b, separator), tag)
		separator = ','
	}
	return append(b, ']')
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return append(t.AppendFormat(append(b, name...), timeLayout), '"')
}

const hexDigits = "0123456789abcdef"

// AppendString writes text as a JSON string with the frozen escapes. The text
// must be valid UTF-8; a byte that is not is written as U+FFFD.
func AppendString(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, text[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = appendEscape(append(b, text[start:i]...), c)
		i++
		start = i
	}
	return append(append(b, text[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
