package segment

import (
	"slices"
	"unicode/utf8"

	"eventstore/core"
)

// blockSize is how finely an index says where in a segment something is: block n holds the
// lines that begin at the bytes from n*blockSize on, below (n+1)*blockSize.
const blockSize = 64 << 10

func blockOf(offset int64) uint32 { return uint32(offset / blockSize) }

// blocks is a set of a segment's blocks, where an event may be that is looked for.
type blocks struct {
	all  bool
	list []uint32 // ascending, each once; nothing when all
}

var everywhere = blocks{all: true}

func (b blocks) empty() bool { return !b.all && len(b.list) == 0 }

func (b blocks) union(other blocks) blocks {
	if b.all || other.all {
		return everywhere
	}
	merged := append(slices.Clone(b.list), other.list...)
	slices.Sort(merged)
	return blocks{list: slices.Compact(merged)}
}

func (b blocks) intersect(other blocks) blocks {
	if b.all {
		return other
	}
	if other.all {
		return b
	}
	var both []uint32
	for _, block := range b.list {
		if _, ok := slices.BinarySearch(other.list, block); ok {
			both = append(both, block)
		}
	}
	return blocks{list: both}
}

// span is a range of a segment's bytes: the lines that begin in it are meant.
type span struct{ from, to int64 }

// spans are the ranges of the blocks that lie within whole, in order; neighbours are one.
func (b blocks) spans(whole span) []span {
	if b.all {
		return []span{whole}
	}
	var all []span
	for _, block := range b.list {
		one := span{max(int64(block)*blockSize, whole.from), min(int64(block+1)*blockSize, whole.to)}
		if one.from >= one.to {
			continue
		}
		if last := len(all) - 1; last >= 0 && all[last].to == one.from {
			all[last].to = one.to
			continue
		}
		all = append(all, one)
	}
	return all
}

// where is the set of blocks that may hold an event that the filter selects, by what lookup
// says of each key.
func (f storedFilter) where(lookup func(key) blocks) blocks {
	if len(f) == 0 {
		return everywhere
	}
	var found blocks
	for _, item := range f {
		found = found.union(item.where(lookup))
	}
	return found
}

func (i *storedItem) where(lookup func(key) blocks) blocks {
	found := everywhere
	for _, alternatives := range i.keys {
		var any blocks
		for _, key := range alternatives {
			any = any.union(lookup(key))
		}
		if found = found.intersect(any); found.empty() {
			break
		}
	}
	return found
}

// storedFilter is a filter made ready to be held against lines as they are stored.
type storedFilter []storedItem

type storedItem struct {
	types, subjects, tags [][]byte
	keys                  [][]key // of each constraint the keys of which one must be there
}

func (k keyer) filter(f core.Filter) storedFilter {
	stored := make(storedFilter, len(f))
	for n, item := range f {
		s := &stored[n]
		s.types, s.subjects, s.tags = encodeAll(item.Types), encodeAll(item.Subjects), encodeAll(item.Tags)
		s.require(k, typeKey, s.types...)
		s.require(k, subjectKey, s.subjects...)
		for _, tag := range s.tags {
			s.require(k, tagKey, tag)
		}
	}
	return stored
}

func (i *storedItem) require(k keyer, kind uint64, texts ...[]byte) {
	if len(texts) == 0 {
		return
	}
	keys := make([]key, len(texts))
	for n, text := range texts {
		keys[n] = k.key(kind, text)
	}
	i.keys = append(i.keys, keys)
}

// encodeAll is how texts are stored. One that is not valid UTF-8 is stored nowhere.
func encodeAll(texts []string) [][]byte {
	all := make([][]byte, len(texts))
	for n, text := range texts {
		if utf8.ValidString(text) {
			all[n] = core.AppendString(nil, text)
		}
	}
	return all
}

// match reports whether a line is selected.
func (f storedFilter) match(l line) bool {
	for n := range f {
		if f[n].match(l) {
			return true
		}
	}
	return len(f) == 0
}

func (i *storedItem) match(l line) bool {
	return (len(i.types) == 0 || contains(i.types, l.typ)) &&
		(len(i.subjects) == 0 || l.subject != nil && contains(i.subjects, l.subject)) && hasAll(l.tags, i.tags)
}

func contains(texts [][]byte, text []byte) bool {
	return slices.ContainsFunc(texts, func(one []byte) bool { return string(one) == string(text) })
}

func hasAll(tags []byte, wanted [][]byte) bool {
	for _, want := range wanted {
		found := false
		eachTag(tags, func(tag []byte) { found = found || string(tag) == string(want) })
		if !found {
			return false
		}
	}
	return true
}
