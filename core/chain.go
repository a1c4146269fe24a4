package core

import (
	"crypto/sha256"
	"encoding/hex"
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
	computed Hash // of the line that is looked at; kept, so that none is made for each
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
	at := len(line) - hashSize
	if at < 1 || line[0] != '{' || string(line[at:at+len(hashOpen)]) != hashOpen || string(line[len(line)-len(hashClose):]) != hashClose {
		return fmt.Errorf("%w: a line of %d bytes does not end with a hash", ErrCorrupt, len(line))
	}
	c.begin(line[:at])
	c.digest.Write(bodyClose)
	c.digest.Sum(c.computed[:0])
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], c.computed[:])
	stated := line[at+len(hashOpen) : len(line)-len(hashClose)]
	if string(digits[:]) != string(stated) {
		return c.differs(string(stated))
	}
	c.previous = c.computed
	return nil
}

// bodyClose is what follows a body's fields where the hash is computed, and `,"hash":"…"}` in a line.
var bodyClose = []byte{'}'}

// differs says what is wrong with the hash that a line states.
func (c *Chain) differs(stated string) error {
	if _, err := ParseHash(stated); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("%w: the line's hash is %s, its bytes and the previous hash give %s", ErrCorrupt, stated, c.computed)
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
func (c *Chain) sum(body []byte) Hash {
	c.begin(body)
	c.digest.Sum(c.computed[:0])
	return c.computed
}

func (c *Chain) begin(body []byte) {
	c.digest.Reset()
	c.digest.Write(c.previous[:])
	c.digest.Write(body)
}
