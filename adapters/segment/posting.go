package segment

import (
	"encoding/binary"
	"slices"
	"sort"
)

// posting says in which blocks of a run's segments a key is, as finely as fits mostPosting
// bytes: block by block, else segment by segment, else not at all.
type posting struct {
	kind byte
	list []uint64 // ascending: spots when fine, ordinals of segments when coarse
}

const (
	finePosting byte = iota
	coarsePosting
	densePosting // the key may be anywhere

	mostPosting = 1000
)

// spot is a block of the segment with that ordinal: the number of segments before it.
func spot(ordinal int, block uint32) uint64 { return uint64(ordinal)<<16 | uint64(block) }

// blocks are those of one segment in which the key may be.
func (p posting) blocks(ordinal int) blocks {
	switch p.kind {
	case densePosting:
		return everywhere
	case coarsePosting:
		if _, ok := slices.BinarySearch(p.list, uint64(ordinal)); ok {
			return everywhere
		}
		return blocks{}
	}
	from := sort.Search(len(p.list), func(i int) bool { return p.list[i] >= spot(ordinal, 0) })
	var found blocks
	for _, s := range p.list[from:] {
		if s >= spot(ordinal+1, 0) {
			break
		}
		found.list = append(found.list, uint32(s&0xffff))
	}
	return found
}

// coarser is the same, less finely.
func (p posting) coarser() posting {
	if p.kind != finePosting {
		return posting{kind: densePosting}
	}
	c := posting{kind: coarsePosting}
	for _, s := range p.list {
		c.list = append(c.list, s>>16)
	}
	c.list = slices.Compact(c.list)
	return c
}

// joined is p and what is in later segments.
func (p posting) joined(later posting) posting {
	for p.kind < later.kind {
		p = p.coarser()
	}
	for later.kind < p.kind {
		later = later.coarser()
	}
	return posting{p.kind, append(slices.Clip(p.list), later.list...)}
}

// appendTo encodes p, made so coarse that it fits.
func (p posting) appendTo(b []byte) []byte {
	start := len(b)
	for {
		b = append(b[:start], p.kind)
		before := uint64(0)
		for _, s := range p.list {
			b = binary.AppendUvarint(b, s-before)
			before = s
		}
		if len(b)-start <= mostPosting {
			return b
		}
		p = p.coarser()
	}
}

// decodePosting reads what appendTo wrote.
func decodePosting(b []byte) (p posting, ok bool) {
	if len(b) == 0 || b[0] > densePosting {
		return p, false
	}
	p.kind = b[0]
	before := uint64(0)
	for rest := b[1:]; len(rest) > 0; {
		delta, n := binary.Uvarint(rest)
		if n <= 0 {
			return p, false
		}
		rest = rest[n:]
		before += delta
		p.list = append(p.list, before)
	}
	return p, true
}
