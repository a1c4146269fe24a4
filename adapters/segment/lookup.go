package segment

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"eventstore/core"
)

// lookup asks the indexes of closed segments, for one Read or Find. What it learns of a run it
// keeps, since the run says it for all its segments.
type lookup struct {
	log       *Log
	runs      []*run
	seen      map[question]posting
	refreshes int   // how often runs were taken anew
	err       error // the first failure; the indexes' own damage is none
}

// mostRefreshes is how often another process may have replaced the runs while one Read asks them.
const mostRefreshes = 3

type question struct {
	run *run
	key key
}

// blocks is the set of blocks of a closed segment that may hold a key. Where there is no index to
// ask it is all of them.
func (l *lookup) blocks(ctx context.Context, p part, k key) blocks {
	if recent := p.segment.recent.Load(); recent != nil {
		return recent.blocks(k)
	}
	r := l.covering(ctx, p.ordinal)
	if r == nil {
		return everywhere
	}
	answer, ok := l.ask(ctx, r, k)
	if !ok {
		return l.blocks(ctx, p, k) // of another run
	}
	return answer.blocks(p.ordinal)
}

// covering is the run that indexes a segment; nil when there is none.
func (l *lookup) covering(ctx context.Context, ordinal int) *run {
	for _, r := range l.runs {
		if r.from <= ordinal && ordinal < r.to {
			return r
		}
	}
	if l.refreshes > 0 || l.err != nil {
		return nil
	}
	l.refresh(ctx)
	return l.covering(ctx, ordinal)
}

// refresh takes the runs that another process may have written since.
func (l *lookup) refresh(ctx context.Context) {
	l.refreshes++
	l.runs, l.err = l.log.refresh(ctx)
}

// ask asks a run where a key is; not ok, there are now other runs to ask. A run that can't be used
// says that it may be anywhere.
func (l *lookup) ask(ctx context.Context, r *run, k key) (answer posting, ok bool) {
	if known, ok := l.seen[question{r, k}]; ok || l.err != nil {
		return known, true
	}
	answer, err := r.find(ctx, l.log.files, k)
	switch {
	case errors.Is(err, errBadIndex) || errors.Is(err, core.ErrNotFound):
		if l.refreshes < mostRefreshes {
			l.refresh(ctx)
			return answer, false
		}
		l.log.damaged(ctx, r, err)
		answer = posting{kind: densePosting}
	case err != nil:
		l.err = err
		return answer, true
	}
	if l.seen == nil {
		l.seen = map[question]posting{}
	}
	l.seen[question{r, k}] = answer
	return answer, true
}

// each yields the closed segments that may hold one of some keys, the last first, and the blocks in
// which they may be. It asks every run once for each key, however many segments it has.
func (l *lookup) each(ctx context.Context, v view, keys []key) iter.Seq2[int, blocks] {
	return func(yield func(int, blocks) bool) {
		for ordinal := len(v.closed) - 1; ordinal >= 0 && l.err == nil; {
			p := v.part(ordinal)
			var r *run
			if p.segment.recent.Load() == nil {
				r = l.covering(ctx, ordinal)
			}
			if r == nil {
				if !l.yieldOne(ctx, p, keys, yield) {
					return
				}
				ordinal--
				continue
			}
			spots, ok := l.askAll(ctx, r, keys)
			if !ok {
				continue // of another run
			}
			for ; ordinal >= r.from; ordinal-- {
				if found := spots.blocks(ordinal); !found.empty() && !yield(ordinal, found) {
					return
				}
			}
		}
	}
}

func (l *lookup) yieldOne(ctx context.Context, p part, keys []key, yield func(int, blocks) bool) bool {
	var found blocks
	for _, k := range keys {
		if one := l.blocks(ctx, p, k); !one.empty() {
			found = found.union(one)
		}
	}
	return found.empty() || yield(p.ordinal, found)
}

// askAll is where any of some keys is.
func (l *lookup) askAll(ctx context.Context, r *run, keys []key) (all posting, ok bool) {
	for _, k := range keys {
		answer, ok := l.ask(ctx, r, k)
		if !ok || l.err != nil {
			return all, ok
		}
		all = all.joined(answer)
	}
	slices.Sort(all.list)
	return all, true
}

// damaged has a run that can't be used built anew.
func (l *Log) damaged(ctx context.Context, r *run, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.bad[r.id] {
		l.bad[r.id] = true
		l.options.Log.WarnContext(ctx, "the index is built anew", "run", r.id, "reason", cause)
	}
	l.maintainSoon()
}

// refresh reads the manifest again, and is the runs as they are now.
func (l *Log) refresh(ctx context.Context) ([]*run, error) {
	m, err := l.readManifest(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	closed, bad := l.closed, maps.Clone(l.bad)
	l.mu.Unlock()
	if m, err = l.agreed(ctx, m, closed); err != nil {
		return nil, err
	}
	m = m.before(bad)
	l.adopt(m)
	return m.runs, nil
}
