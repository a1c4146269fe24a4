package segment

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// A run's entries, ordered by key, stand in pages of one size, so that the page of a key is found
// by guessing: keys are spread evenly. A page is its checksum (8 bytes), the number of its
// entries (2), and the entries: key (8), length (2) and posting.
const (
	pageSize  = 4 << 10
	pageHead  = 8 + 2
	entryHead = 8 + 2
)

// entry is a key with its encoded posting.
type entry struct {
	key     key
	posting []byte
}

// pageWriter fills one page.
type pageWriter struct {
	bytes []byte
	count int
}

// add adds an entry, if there is room.
func (w *pageWriter) add(e entry) bool {
	if w.count == 0 {
		w.bytes = make([]byte, pageHead, pageSize)
	}
	if len(w.bytes)+entryHead+len(e.posting) > pageSize {
		return false
	}
	w.bytes = binary.BigEndian.AppendUint64(w.bytes, uint64(e.key))
	w.bytes = binary.BigEndian.AppendUint16(w.bytes, uint16(len(e.posting)))
	w.bytes = append(w.bytes, e.posting...)
	w.count++
	return true
}

// finish is the page as page number n of a run's part, and begins the next.
func (w *pageWriter) finish(seed uint64, n int) []byte {
	page := w.bytes[:pageSize]
	clear(page[len(w.bytes):])
	binary.BigEndian.PutUint16(page[8:], uint16(w.count))
	binary.BigEndian.PutUint64(page, xxh3.HashSeed(page[8:], seed+uint64(n)))
	*w = pageWriter{}
	return page
}

// page is a page as it is stored, which was checked.
type page []byte

// checkPage reports whether bytes are what finish wrote as page number n.
func checkPage(bytes []byte, seed uint64, n int) bool {
	return len(bytes) == pageSize && binary.BigEndian.Uint64(bytes) == xxh3.HashSeed(bytes[8:], seed+uint64(n)) &&
		page(bytes).count() > 0
}

func (p page) count() int { return int(binary.BigEndian.Uint16(p[8:])) }

// all yields the entries, in order. What they hold is a part of the page.
func (p page) all(yield func(entry) bool) {
	rest := p[pageHead:]
	for range p.count() {
		if len(rest) < entryHead {
			return
		}
		size := int(binary.BigEndian.Uint16(rest[8:]))
		if len(rest) < entryHead+size || !yield(entry{key(binary.BigEndian.Uint64(rest)), rest[entryHead : entryHead+size]}) {
			return
		}
		rest = rest[entryHead+size:]
	}
}

// first is the page's first key.
func (p page) first() key { return key(binary.BigEndian.Uint64(p[pageHead:])) }

// find is the posting of a key, nil when the page has none; beyond, the key may be in a later page.
func (p page) find(k key) (posting []byte, beyond bool) {
	beyond = true
	for e := range p.all {
		if e.key >= k {
			beyond = false
			if e.key == k {
				posting = e.posting
			}
			break
		}
	}
	return posting, beyond
}
