package projections

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"eventstore/core"
)

// Document is one document as readers see it.
type Document struct {
	Value    string // JSON
	ETag     string // the same for the same value
	Topics   []string
	Position Positions // the value reflects all events up to here, by topic
}

// Page is documents by key, all of one version.
type Page struct {
	Documents []KeyValue
	Next      string // goes back as After; "" at the end
	Topics    []string
	Position  Positions
}

// PageQuery says which documents to read.
type PageQuery struct {
	Prefix string
	After  string // a page's Next
	Limit  int
}

// Fresh says what an answer must reflect at least, and how long to wait for it.
type Fresh struct {
	// At are positions by topic. A position for the topic "" is for the only one that there is.
	At   Positions
	Wait time.Duration
}

// Get reads a document. ErrDocumentNotFound: there is none; what is returned then tells the position alone. A [*BehindError]: it does not
// reflect what fresh asks for.
func (p *Projections) Get(ctx context.Context, name, key string, fresh Fresh) (Document, error) {
	if reason := wrongKey(key); reason != "" {
		return Document{}, core.Invalid("key", "%s", reason)
	}
	c, _, err := p.fresh(ctx, name, fresh)
	for {
		if err != nil {
			return Document{}, err
		}
		v := c.Versions[c.Live]
		answer := Document{Topics: v.Topics, Position: v.Checkpoint.positions(v.Topics)}
		var stored core.Document
		stored, err = p.config.Documents.Get(ctx, collectionOf(name, c.Live), key)
		if err == nil {
			_, answer.Value, err = decodeStored(v.Topics, stored.Value)
		}
		if err != nil && !errors.Is(err, core.ErrNotFound) {
			return Document{}, fmt.Errorf("reading document %q of %q: %w", key, name, err)
		}
		if answer.Value != "" {
			answer.ETag = etag(answer.Value)
			return answer, nil
		}
		// It may be missing because its version was given up since.
		was := c.Live
		if c, err = p.load(ctx, name); err == nil && (c.Live == was || c.Previous == was) {
			return answer, fmt.Errorf("%w: %q", ErrDocumentNotFound, key)
		}
	}
}

func etag(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:16])
}

// List reads a page of documents, in the order of their keys. ErrPageExpired: the version that After belongs to is gone.
func (p *Projections) List(ctx context.Context, name string, q PageQuery, fresh Fresh) (Page, error) {
	c, asked, err := p.fresh(ctx, name, fresh)
	if err != nil {
		return Page{}, err
	}
	at := cursor{Version: c.Live}
	if q.After != "" {
		if at, err = parseCursor(q.After); err != nil {
			return Page{}, err
		}
	}
	page, err := p.page(ctx, c, at, q, asked)
	if err != nil {
		return Page{}, err
	}
	// Documents of a version that was given up meanwhile may have been deleted already.
	if c, err = p.load(ctx, name); err != nil {
		return Page{}, err
	}
	if at.Version != c.Live && at.Version != c.Previous {
		return Page{}, fmt.Errorf("%w: version %d of %q", ErrPageExpired, at.Version, name)
	}
	return page, nil
}

func (p *Projections) page(ctx context.Context, c *control, at cursor, q PageQuery, asked Positions) (Page, error) {
	if at.Version != c.Live && at.Version != c.Previous || at.Version == 0 {
		return Page{}, fmt.Errorf("%w: version %d of %q", ErrPageExpired, at.Version, c.Name)
	}
	v := c.Versions[at.Version]
	page := Page{Documents: []KeyValue{}, Topics: v.Topics, Position: v.Checkpoint.positions(v.Topics)}
	if lacks(v, asked) {
		return Page{}, &BehindError{page.Position, "the version that this page belongs to is no longer the live one; begin at the first page"}
	}
	for stored, err := range p.config.Documents.List(ctx, collectionOf(c.Name, at.Version), core.ListQuery{Prefix: q.Prefix, After: at.Key}) {
		if err != nil {
			return Page{}, fmt.Errorf("listing documents of %q: %w", c.Name, err)
		}
		_, text, err := decodeStored(v.Topics, stored.Value)
		if err != nil {
			return Page{}, err
		}
		if text == "" {
			continue
		}
		if len(page.Documents) == q.Limit {
			page.Next = cursor{at.Version, page.Documents[q.Limit-1].Key}.String()
			break
		}
		page.Documents = append(page.Documents, KeyValue{stored.Key, text})
	}
	return page, nil
}

// cursor is where a page ended.
type cursor struct {
	Version int    `json:"v"`
	Key     string `json:"k"`
}

func (c cursor) String() string {
	text, _ := json.Marshal(c) // a number and a text can be encoded
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(after string) (c cursor, err error) {
	text, err := base64.RawURLEncoding.DecodeString(after)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.Version < 1 || c.Key == "" {
		return c, core.Invalid("after", "%q is no page's next", after)
	}
	return c, nil
}

// lacks tells whether a version does not reflect positions.
func lacks(v *version, at Positions) bool {
	for topic, position := range at {
		if v.Checkpoint[topic].Position < position {
			return true
		}
	}
	return false
}

// resolve checks positions that a reader asks for, and names the only topic.
func (v *version) resolve(at Positions) (Positions, error) {
	resolved := Positions{}
	for topic, position := range at {
		if topic == "" && len(v.Topics) > 1 {
			return nil, core.Invalid("at-least", "the projection reads several topics, so each position has its topic, as in %s:%d", v.Topics[0], position)
		}
		if topic == "" {
			topic = v.Topics[0]
		}
		if !slices.Contains(v.Topics, topic) {
			return nil, core.Invalid("at-least", "the projection does not read the topic %q", topic)
		}
		resolved[topic] = position
	}
	return resolved, nil
}

const (
	// catchUp is how long a reader may fold who waits for nothing.
	catchUp = 2 * time.Second
	// poll is how often a reader who waits looks what other instances have folded.
	poll = 100 * time.Millisecond
)

// fresh reads a projection whose live version reflects at least what is asked for, and tells what that is by topic. It waits for no
// lease: it folds itself, and the checkpoint's compare-and-set decides.
func (p *Projections) fresh(ctx context.Context, name string, f Fresh) (*control, Positions, error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	at, err := c.Versions[c.Live].resolve(f.At)
	if err != nil || !lacks(c.Versions[c.Live], at) {
		return c, at, err
	}
	deadline := time.Now().Add(f.Wait)
	ctx, cancel := context.WithTimeoutCause(ctx, max(f.Wait, catchUp), errLate)
	defer cancel()
	reason := ""
	for {
		changed := p.heads(ctx, at)
		var more bool
		more, reason, err = p.freshen(ctx, c)
		if err == nil {
			var now *control
			if now, err = p.load(ctx, name); err == nil {
				c = now
			}
		}
		if err != nil && context.Cause(ctx) == errLate {
			return p.late(c, "the time ran out while there was more to fold")
		}
		if err != nil {
			return nil, nil, err
		}
		if !lacks(c.Versions[c.Live], at) {
			return c, at, nil
		}
		if !more && !time.Now().Before(deadline) {
			return p.late(c, reason)
		}
		if !more {
			p.await(ctx, changed)
		}
		if context.Cause(ctx) == errLate {
			return p.late(c, reason)
		}
	}
}

// errLate: a reader's time is up.
var errLate = errors.New("the reader's time is up")

func (p *Projections) late(c *control, reason string) (*control, Positions, error) {
	v := c.Versions[c.Live]
	return nil, nil, &BehindError{v.Checkpoint.positions(v.Topics), reason}
}

// freshen makes one run of the live version. more: there is more to fold at once, by this run or because another was faster.
func (p *Projections) freshen(ctx context.Context, c *control) (more bool, reason string, err error) {
	o, err := p.step(ctx, c.Name, c.Live, p.liveBounds())
	switch {
	case errors.Is(err, errStale):
		return true, "", nil
	case err != nil:
		return false, "", err
	case o.paused:
		return false, "the projection is paused", nil
	case o.failed != nil:
		return false, fmt.Sprintf("the projection fails at position %d of the topic %q: %s", o.failed.Position, o.failed.Topic, o.failed.Message), nil
	}
	return o.more, "the topic has no events up to that position", nil
}

// heads gives the channels that tell of appends in this process, to be taken before the logs are read.
func (p *Projections) heads(ctx context.Context, at Positions) []<-chan struct{} {
	var changed []<-chan struct{}
	for name := range at {
		if topic, err := p.config.Topics.Open(ctx, name); err == nil {
			changed = append(changed, topic.Changed())
		}
	}
	return changed
}

// await waits for an append in this process, or a moment, for those of others.
func (p *Projections) await(ctx context.Context, changed []<-chan struct{}) {
	var first <-chan struct{}
	if len(changed) > 0 {
		first = changed[0]
	}
	select {
	case <-first:
	case <-time.After(poll):
	case <-ctx.Done():
	}
}
