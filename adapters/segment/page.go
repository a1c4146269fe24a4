package segment

import (
	"encoding/binary"
	"sort"

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

// page is the entries of a page.
type page []entry

// readPage reads what finish wrote; not ok, it is not that page.
func readPage(bytes []byte, seed uint64, n int) (p page, ok bool) {
	if len(bytes) != pageSize || binary.BigEndian.Uint64(bytes) != xxh3.HashSeed(bytes[8:], seed+uint64(n)) {
		return nil, false
	}
	rest := bytes[pageHead:]
	for range binary.BigEndian.Uint16(bytes[8:]) {
		if len(rest) < entryHead {
			return nil, false
		}
		size := int(binary.BigEndian.Uint16(rest[8:]))
		if len(rest) < entryHead+size {
			return nil, false
		}
		p = append(p, entry{key(binary.BigEndian.Uint64(rest)), rest[entryHead : entryHead+size]})
		rest = rest[entryHead+size:]
	}
	return p, len(p) > 0
}

// find is the posting of a key in pages that follow each other.
func (p page) find(k key) (posting []byte, ok bool) {
	i := sort.Search(len(p), func(i int) bool { return p[i].key >= k })
	if i == len(p) || p[i].key != k {
		return nil, false
	}
	return p[i].posting, true
}
