package segment

import (
	"bytes"
	"context"
	"slices"
)

// recent is the index of the open segment, in memory: the blocks in which each key is. The
// zero value is that of an empty segment.
type recent struct {
	from   int64         // where in the segment begins what it knows; see complete
	newest map[key]int32 // the newest node of each key
	nodes  []node
}

// node is one block of one key, and the node of the block before; -1 when there is none.
type node struct {
	block  uint32
	before int32
}

// add takes in a line that begins at offset.
func (r *recent) add(keyer keyer, offset int64, l line) {
	if r.newest == nil {
		r.newest = map[key]int32{}
	}
	block := blockOf(offset)
	keyer.each(l, func(k key) {
		before, ok := r.newest[k]
		if ok && r.nodes[before].block == block {
			return
		}
		if !ok {
			before = -1
		}
		r.newest[k] = int32(len(r.nodes))
		r.nodes = append(r.nodes, node{block, before})
	})
}

// addAll takes in lines that were sealed here, the first of which begins at offset.
func (r *recent) addAll(keyer keyer, offset int64, text []byte) {
	for one := range bytes.Lines(text) {
		if l, ok := scanLine(one); ok {
			r.add(keyer, offset, l)
		}
		offset += int64(len(one))
	}
}

// complete reads what of the open segment was not read when the log was opened, since a checkpoint
// vouched for it, so that recent knows it all. The caller holds mu.
func (l *Log) complete(ctx context.Context) error {
	if l.recent.from == 0 {
		return nil
	}
	before := part{before: l.lastClosed(), first: l.end.segment, next: l.end.head.Position + 1, size: l.recent.from}
	for pass := l.pass(before, span{0, before.size}); ; {
		c, err := pass.next(ctx)
		if err != nil {
			return err
		}
		if len(c.text) == 0 {
			l.recent.from = 0
			return nil
		}
		l.recent.addAll(l.keyer, c.offset, c.text)
	}
}

// blocks are those in which a key is.
func (r *recent) blocks(k key) blocks {
	at, ok := r.newest[k]
	if !ok {
		return blocks{}
	}
	var list []uint32
	for ; at >= 0; at = r.nodes[at].before {
		list = append(list, r.nodes[at].block)
	}
	slices.Sort(list) // a torn append that was read again is there twice
	return blocks{list: slices.Compact(list)}
}
