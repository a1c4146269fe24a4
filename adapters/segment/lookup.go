package segment

import (
	"context"
	"errors"

	"eventstore/core"
)

// lookup asks the indexes of closed segments, for one Read or Find. What it learns of a run it
// keeps, since the run says it for all its segments.
type lookup struct {
	log  *Log
	runs []*run
	seen map[question]posting
	err  error // the first failure; the indexes' own damage is none
}

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
	for _, r := range l.runs {
		if r.from <= p.ordinal && p.ordinal < r.to {
			return l.ask(ctx, question{r, k}).blocks(p.ordinal)
		}
	}
	return everywhere
}

func (l *lookup) ask(ctx context.Context, q question) posting {
	if known, ok := l.seen[q]; ok || l.err != nil {
		return known
	}
	answer, err := q.run.find(ctx, l.log.files, q.key)
	if errors.Is(err, errBadIndex) || errors.Is(err, core.ErrNotFound) {
		l.log.damaged(ctx, q.run, err)
		answer, err = posting{kind: densePosting}, nil
	}
	l.err = err
	if l.seen == nil {
		l.seen = map[question]posting{}
	}
	l.seen[q] = answer
	return answer
}

// damaged has a run that can't be used built anew, unless another process did so already.
func (l *Log) damaged(ctx context.Context, r *run, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.bad[r.id] {
		l.bad[r.id] = true
		l.options.Log.WarnContext(ctx, "the index is built anew", "run", r.id, "reason", cause)
	}
	l.maintainSoon()
}
