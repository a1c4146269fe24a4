// Package core holds the words every other package speaks: events, positions,
// filters, conditions, errors, and the two ports through which everything
// durable goes. It knows no storage, no HTTP and no settings.
package core

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Position is an event's place in its topic: 1, 2, 3 … without a gap, never
// reused. 0 stands before the first event.
type Position int64

// MaxPosition is the highest position there can be.
const MaxPosition = Position(1<<63 - 1)

// Hash is the SHA-256 that chains an event to all before it. The zero Hash
// stands before position 1.
type Hash [32]byte

// String is the hash as 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what [Hash.String] wrote. Upper-case digits are refused: a
// hash has one spelling.
func ParseHash(text string) (h Hash, err error) {
	if len(text) != 2*len(h) {
		return h, fmt.Errorf("a hash has 64 hex digits, not %d", len(text))
	}
	bad := byte(0)
	for i := range h {
		high, low := hexValues[text[2*i]], hexValues[text[2*i+1]]
		h[i] = high<<4 | low
		bad |= high | low
	}
	if bad > 15 {
		return Hash{}, fmt.Errorf("hash %q is not of lower-case hex digits", text)
	}
	return h, nil
}

// hexValues are the values of the lower-case hex digits, and 255 for every other byte. A table,
// since two hashes are read of every line.
var hexValues = func() (values [256]byte) {
	for i := range values {
		values[i] = 255
	}
	for i, digit := range hexDigits {
		values[digit] = byte(i)
	}
	return values
}()

// Head is where a log ends: the last event's position, hash and recorded time.
// The zero Head is the end of an empty log.
type Head struct {
	Position Position
	Hash     Hash
	Recorded time.Time
}

// Event is one entry of a topic. What the publisher sets is checked by
// [Event.Validate]; Position, Recorded, More and Hash are the store's, given by
// [Seal]. Events are values: nobody changes one that came from a Log.
//
// An absent optional text is "". Data and Metadata are compact JSON texts, so
// that they are stored and answered byte for byte; a Data of "" is no data,
// while the JSON value null is "null".
type Event struct {
	Position        Position
	ID              string
	Type            string
	Source          string
	Subject         string
	Tags            []string
	Time            time.Time // when it happened: UTC, whole microseconds
	Recorded        time.Time // when it was appended: UTC, whole microseconds, never before the previous event's
	More            bool      // the next position was published by the same request
	DataContentType string
	Data            string // any JSON value, compact
	DataBase64      string // standard base64 with padding, instead of Data
	Metadata        string // a JSON object of strings, numbers and booleans, compact
	Hash            Hash

	// line is the stored line without its newline, once there is one.
	line string
}

// Head is the head of a log whose last event is e.
func (e *Event) Head() Head {
	return Head{Position: e.Position, Hash: e.Hash, Recorded: e.Recorded}
}

// SameContent reports whether two events with one id are one event that was
// published twice: their type, source, subject and data agree.
func (e *Event) SameContent(other *Event) bool {
	return e.Type == other.Type && e.Source == other.Source && e.Subject == other.Subject &&
		e.Data == other.Data && e.DataBase64 == other.DataBase64
}

// timeLayout is how every time is written: RFC 3339 with six digits and Z.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// FormatTime writes t as it stands in every answer and stored line: RFC 3339,
// UTC, six digits of a second.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// Truncate cuts a time to what is stored of it: UTC, whole microseconds.
func Truncate(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
