package segment

import (
	"github.com/zeebo/xxh3"
)

// A key is what an index finds events by: the hash of an id, a type, a subject or a tag as it
// is stored, quotes included. Two texts may have one key, so what a key finds is confirmed by
// reading the line.
type key uint64

// The kinds of text that have keys.
const (
	idKey uint64 = iota + 1
	typeKey
	subjectKey
	tagKey
)

// keyer makes one log's keys. It is seeded with the log's identity, so that nobody can choose
// texts whose keys crowd together.
type keyer uint64

func newKeyer(id string) keyer { return keyer(xxh3.HashString(id)) }

func (k keyer) key(kind uint64, stored []byte) key {
	return key(xxh3.HashSeed(stored, uint64(k)+kind))
}

// each calls visit with the keys of a line.
func (k keyer) each(l line, visit func(key)) {
	visit(k.key(idKey, l.id))
	visit(k.key(typeKey, l.typ))
	if l.subject != nil {
		visit(k.key(subjectKey, l.subject))
	}
	eachTag(l.tags, func(tag []byte) { visit(k.key(tagKey, tag)) })
}
