package subscribers

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"eventstore/core"
)

// The limits of a registration.
const (
	minTTL     = time.Minute
	maxTTL     = 2160 * time.Hour
	defaultTTL = 168 * time.Hour
	maxBatch   = 1000
	maxName    = 100
	maxValues  = 1000 // types, or subjects, of a filter
	minSecret  = 24   // bytes
	maxSecret  = 64
)

// Request is what a subscription is registered with. Zero fields have their defaults.
type Request struct {
	Topic    string
	Callback string
	Item     core.Item     // which events; the zero Item is all
	Secret   string        // default: one is made
	TTL      time.Duration // default 168 h
	Batch    int           // most events in a delivery; default 1
	Name     string
	From     core.Position // first position to deliver; 0 is the one behind the head
}

// registration is the stored form of a subscription.
type registration struct {
	Mark          string    `json:"mark"`
	Topic         string    `json:"topic"`
	ID            string    `json:"id"`
	Life          string    `json:"life"` // one of its own for each time that it is registered anew
	Callback      string    `json:"callback"`
	Types         []string  `json:"types,omitempty"`
	Subjects      []string  `json:"subjects,omitempty"`
	Tags          []string  `json:"tags,omitempty"`
	Name          string    `json:"name,omitempty"`
	Batch         int       `json:"batch"`
	TTL           string    `json:"ttl"` // as it was registered; a renewal may have had another
	Secret        string    `json:"secret"`
	Previous      string    `json:"previousSecret,omitempty"`
	PreviousUntil time.Time `json:"previousUntil,omitzero"`
	Created       time.Time `json:"created"`
	Expires       time.Time `json:"expires"`
	Verified      bool      `json:"verified,omitempty"`
	Rate          int       `json:"rate,omitempty"` // deliveries a minute; 0 is no limit
	Paused        bool      `json:"paused,omitempty"`
}

func (r *registration) key() string { return r.Topic + "/" + r.ID }

// stateKey is the key of the delivery state, and with a slash what the keys of holds begin with.
func (r *registration) stateKey() string { return r.key() + "/" + r.Life }

func (r *registration) filter() core.Filter {
	item := core.Item{Types: r.Types, Subjects: r.Subjects, Tags: r.Tags}
	if len(r.Types)+len(r.Subjects)+len(r.Tags) == 0 {
		return nil
	}
	return core.Filter{item}
}

// secrets are those that sign now, the newest first.
func (r *registration) secrets(now time.Time) []string {
	if r.Previous != "" && now.Before(r.PreviousUntil) {
		return []string{r.Secret, r.Previous}
	}
	return []string{r.Secret}
}

// text writes bytes as lower-case letters and digits.
var text = base32.StdEncoding.WithPadding(base32.NoPadding)

func lower(b []byte) string { return strings.ToLower(text.EncodeToString(b)) }

// identify is the id of a subscription: the same for the same topic, callback, filter and name.
func identify(r *registration) string {
	h := sha256.New()
	for _, values := range [][]string{{r.Topic}, {r.Callback}, {r.Name}, r.Types, r.Subjects, r.Tags} {
		fmt.Fprintf(h, "%d:", len(values))
		for _, value := range values {
			fmt.Fprintf(h, "%d:%s", len(value), value)
		}
	}
	return lower(h.Sum(nil)[:15])
}

// newRegistration checks a request and fills in its defaults; the callback is the sender's to check.
func newRegistration(q Request, now time.Time) (*registration, error) {
	if err := check(q); err != nil {
		return nil, err
	}
	r := &registration{Mark: mark(), Topic: q.Topic, Life: newLife(), Callback: q.Callback, Name: q.Name, Batch: max(q.Batch, 1), Secret: q.Secret,
		Types: set(q.Item.Types), Subjects: set(q.Item.Subjects), Tags: set(q.Item.Tags), TTL: cmp.Or(q.TTL, defaultTTL).String(), Created: core.Truncate(now), Expires: expiry(q, now)}
	if r.Secret == "" {
		r.Secret = newSecret()
	}
	r.ID = identify(r)
	return r, nil
}

func expiry(q Request, now time.Time) time.Time {
	return core.Truncate(now.Add(cmp.Or(q.TTL, defaultTTL)))
}

// newLife is 8 random letters and digits.
func newLife() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return lower(b[:])
}

func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

const secretPrefix = "whsec_"

// set is values in order, each once: the order in which a filter names them does not matter.
func set(values []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

func check(q Request) error {
	switch {
	case q.TTL != 0 && (q.TTL < minTTL || q.TTL > maxTTL):
		return core.Invalid("ttl", "%v is not from 1m to 2160h", q.TTL)
	case q.Batch < 0 || q.Batch > maxBatch:
		return core.Invalid("batch", "%d is not from 1 to %d", q.Batch, maxBatch)
	case utf8.RuneCountInString(q.Name) > maxName || strings.ContainsFunc(q.Name, unicode.IsControl) || !utf8.ValidString(q.Name):
		return core.Invalid("name", "is not text of at most %d characters without control characters", maxName)
	case q.From < 0:
		return core.Invalid("from", "%d is not a position; the first is 1", q.From)
	}
	if err := checkCounts(q.Item); err != nil {
		return err
	}
	if err := q.Item.Validate(""); err != nil {
		return err
	}
	return checkSecret(q.Secret)
}

func checkCounts(item core.Item) error {
	for _, values := range []struct {
		place      string
		have, most int
	}{{"types", len(item.Types), maxValues}, {"subjects", len(item.Subjects), maxValues}, {"tags", len(item.Tags), core.MaxTags}} {
		if values.have > values.most {
			return core.Invalid(values.place, "has %d values; the most is %d", values.have, values.most)
		}
	}
	return nil
}

// checkSecret does not repeat the secret: what goes into an error goes into logs.
func checkSecret(secret string) error {
	if secret == "" {
		return nil
	}
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) < minSecret || len(raw) > maxSecret || strings.ContainsAny(encoded, "\r\n") {
		return core.Invalid("secret", "is not whsec_ and the base64 of %d to %d bytes", minSecret, maxSecret)
	}
	return nil
}
