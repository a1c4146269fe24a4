package segment

import (
	"context"

	"eventstore/core"
)

// Find reports the positions of the events that have these ids, the newest segment first.
func (l *Log) Find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	f := finding{log: l, found: map[string]core.Position{}, wanted: map[string]string{}}
	for _, id := range ids {
		f.wanted[string(core.AppendString(nil, id))] = id
	}
	if len(ids) == 0 {
		return f.found, nil
	}
	var open blocks
	v, err := l.look(ctx, func(r *recent) { open = f.where(r.blocks) })
	for n := len(v.parts) - 1; n >= 0 && err == nil && len(f.wanted) > 0; n-- {
		p := v.parts[n]
		if p.segment != nil {
			open = f.where(func(k key) blocks { return l.lookup(ctx, p, k) })
		}
		err = f.search(ctx, p, open)
	}
	return f.found, err
}

// finding is one Find under way.
type finding struct {
	log    *Log
	wanted map[string]string // the ids not found yet, by how they are stored
	found  map[string]core.Position
}

// where is the set of blocks that may hold a wanted id.
func (f *finding) where(lookup func(key) blocks) (found blocks) {
	for stored := range f.wanted {
		if one := lookup(f.log.keyer.key(idKey, []byte(stored))); !one.empty() {
			found = found.union(one)
		}
	}
	return found
}

// search reads a part's blocks, and moves the ids that it meets from wanted to found.
func (f *finding) search(ctx context.Context, p part, where blocks) error {
	if where.empty() {
		return nil
	}
	for _, s := range where.spans(span{0, p.size}) {
		for pass := f.log.pass(p, s); ; {
			c, err := pass.next(ctx)
			if err != nil {
				return err
			}
			if len(c.text) == 0 {
				break
			}
			c.each(func(_ int64, text []byte) bool { return f.meet(text) })
		}
	}
	return nil
}

// meet looks at one line, and reports whether there is more to find.
func (f *finding) meet(text []byte) bool {
	one, _ := scanLine(text)
	if id, ok := f.wanted[string(one.id)]; ok {
		f.found[id] = one.position
		delete(f.wanted, string(one.id))
	}
	return len(f.wanted) > 0
}

// lookup is the set of blocks of a closed segment that may hold a key.
func (l *Log) lookup(_ context.Context, p part, k key) blocks {
	if recent := p.segment.recent.Load(); recent != nil {
		return recent.blocks(k)
	}
	return everywhere
}
