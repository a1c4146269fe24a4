package segment

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"eventstore/core"
)

// Find reports the positions of the events that have these ids.
func (l *Log) Find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	found, err := l.find(ctx, ids)
	if errors.Is(err, core.ErrCorrupt) && l.relist(ctx) {
		found, err = l.find(ctx, ids)
	}
	return found, err
}

// find looks in the newest segment first.
func (l *Log) find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	f := finding{log: l, found: map[string]core.Position{}, wanted: map[string]string{}}
	if len(ids) == 0 {
		return f.found, nil
	}
	for _, id := range ids {
		if utf8.ValidString(id) { // else it is stored nowhere
			f.wanted[string(core.AppendString(nil, id))] = id
		}
	}
	var where blocks
	v, err := l.look(ctx, func(open *recent) { where = f.where(open.blocks) })
	if err == nil {
		err = f.search(ctx, v.open, where)
	}
	if err != nil || len(f.wanted) == 0 {
		return f.found, err
	}
	lookup := lookup{log: l, runs: v.runs}
	for ordinal, where := range lookup.each(ctx, v, f.keys()) {
		if err = f.search(ctx, v.part(ordinal), where); err != nil || len(f.wanted) == 0 {
			return f.found, err
		}
	}
	return f.found, lookup.err
}

// finding is one Find under way.
type finding struct {
	log    *Log
	wanted map[string]string // the ids not found yet, by how they are stored
	found  map[string]core.Position
}

// keys are those of the wanted ids.
func (f *finding) keys() []key {
	keys := make([]key, 0, len(f.wanted))
	for stored := range f.wanted {
		keys = append(keys, f.log.keyer.key(idKey, []byte(stored)))
	}
	slices.Sort(keys)
	return keys
}

// where is the set of blocks that may hold a wanted id.
func (f *finding) where(lookup func(key) blocks) (found blocks) {
	for _, k := range f.keys() {
		if one := lookup(k); !one.empty() {
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
