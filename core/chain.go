package core

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"time"
)

// Seal gives events their places behind after: positions, recorded times, the
// time of those that have none, source where there is none, hashes and lines. It
// returns the sealed copies, ready for [Log.Append], and the head the log then has.
//
// An event's Recorded, where it has one, is kept unless the head's is later, so that
// sealing again behind another head gives the same events but for their places.
// Where it has none it is now. More is the caller's.
func Seal(after Head, now time.Time, events []Event) ([]Event, Head) {
	chain := NewChain(after.Hash)
	sealed := make([]Event, len(events))
	head := after
	for i, e := range events {
		e.Position = head.Position + 1
		if e.Recorded.IsZero() {
			e.Recorded = Truncate(now)
		}
		if e.Recorded.Before(head.Recorded) {
			e.Recorded = head.Recorded
		}
		if e.Time.IsZero() {
			e.Time = e.Recorded
		}
		body := appendBody(make([]byte, 0, e.sizeHint()), &e)
		e.Hash = chain.sum(body)
		e.line = string(appendHash(body, e.Hash))
		chain.previous = e.Hash
		sealed[i] = e
		head = e.Head()
	}
	return sealed, head
}

// Chain checks lines, one after the other, against the hashes they carry.
type Chain struct {
	previous Hash
	digest   hash.Hash
}

// NewChain starts behind the event whose hash is previous; the zero Hash stands
// before position 1.
func NewChain(previous Hash) *Chain {
	return &Chain{previous: previous, digest: sha256.New()}
}

// Hash is that of the last line that was checked.
func (c *Chain) Hash() Hash { return c.previous }

// Next checks that line (without its newline) follows the last one: that its hash
// is the one over the previous hash and its own bytes. On an error the chain stays.
func (c *Chain) Next(line []byte) error {
	body, stated, err := splitHash(line)
	if err != nil {
		return err
	}
	c.begin(body)
	c.digest.Write([]byte{'}'})
	var computed Hash
	c.digest.Sum(computed[:0])
	if computed != stated {
		return fmt.Errorf("%w: the line's hash is %s, its bytes and the previous hash give %s", ErrCorrupt, stated, computed)
	}
	c.previous = computed
	return nil
}

// NextEvent is Next for an event that was not read as a line. The event keeps the line that
// was made for it, so that it is not made again for the answer.
func (c *Chain) NextEvent(e *Event) error {
	line := e.Line()
	if err := c.Next([]byte(line)); err != nil {
		return err
	}
	e.line = line
	return nil
}

// sum is the hash of a body `{…}` behind the previous one.
func (c *Chain) sum(body []byte) (h Hash) {
	c.begin(body)
	c.digest.Sum(h[:0])
	return h
}

func (c *Chain) begin(body []byte) {
	c.digest.Reset()
	c.digest.Write(c.previous[:])
	c.digest.Write(body)
}

// splitHash takes a line apart: what stands before `,"hash":"…"}`, and the hash.
func splitHash(line []byte) (body []byte, h Hash, err error) {
	at := len(line) - hashSize
	if at < 1 || line[0] != '{' || !bytes.HasPrefix(line[at:], []byte(hashOpen)) || !bytes.HasSuffix(line, []byte(hashClose)) {
		return nil, Hash{}, fmt.Errorf("%w: a line of %d bytes does not end with a hash", ErrCorrupt, len(line))
	}
	h, err = ParseHash(string(line[at+len(hashOpen) : len(line)-len(hashClose)]))
	if err != nil {
		return nil, Hash{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return line[:at], h, nil
}
