package segment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"eventstore/core"
)

// Maintain brings the indexes of the closed segments up to date: it indexes those that are
// not, merges, and removes what a merge before the last replaced. It may be called at any time, and
// stopped at any point; whoever closes a segment calls it in the background.
func (l *Log) Maintain(ctx context.Context) error {
	return l.maintainAll(ctx, l.checkpointEvery())
}

// maintainAll maintains, with a checkpoint if the last one is that many bytes back.
func (l *Log) maintainAll(ctx context.Context, every int64) error {
	l.maintaining.Lock()
	defer l.maintaining.Unlock()
	for {
		err := l.maintain(ctx, every)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
}

// errChanged says that another process has written the manifest meanwhile, so begin again.
var errChanged = errors.New("another process maintains the index")

// closedAndBad are the closed segments, and the runs that were found damaged, of a log that is loaded by
// then.
func (l *Log) closedAndBad(ctx context.Context) (closed []part, bad map[string]bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.loaded {
		err = l.load(ctx)
	}
	return l.closed, maps.Clone(l.bad), err
}

func (l *Log) maintain(ctx context.Context, every int64) error {
	closed, bad, err := l.closedAndBad(ctx)
	if err != nil {
		return err
	}
	m, err := l.readManifest(ctx)
	if err != nil {
		return err
	}
	if m, err = l.agreed(ctx, m, closed); err != nil {
		return err
	}
	m = m.before(bad)
	l.adopt(m)
	for m.indexed() < len(closed) {
		if m, err = l.indexNext(ctx, m, closed[m.indexed()]); err != nil {
			return fmt.Errorf("indexing: %w", err)
		}
		l.adopt(m)
	}
	if next := l.checkpoint(m, every); next != nil {
		if err := l.replaceManifest(ctx, m, next); err != nil {
			return fmt.Errorf("writing a checkpoint: %w", err)
		}
	}
	return nil
}

// agreed is the part of a manifest that agrees with the log: no more segments than it has, each
// of its length, and the last one with its hash.
func (l *Log) agreed(ctx context.Context, m *manifest, closed []part) (*manifest, error) {
	n := len(m.segments)
	good := n <= len(closed)
	for i := 0; good && i < n; i++ {
		good = m.segments[i].first == closed[i].first && m.segments[i].next == closed[i].next && m.segments[i].size == closed[i].size
	}
	if good && n > 0 {
		hash, err := l.statedEnd(ctx, closed[n-1])
		if err != nil {
			return nil, err
		}
		good = hash == m.segments[n-1].hash
	}
	if !good || m.indexed() < n {
		return &manifest{sum: m.sum}, nil
	}
	return m, nil
}

// before is the manifest without the first run that is bad and all that follow.
func (m *manifest) before(bad map[string]bool) *manifest {
	n := slices.IndexFunc(m.runs, func(r *run) bool { return bad[r.id] })
	if n < 0 {
		return m
	}
	return &manifest{sum: m.sum, segments: m.segments[:m.runs[n].from], runs: m.runs[:n], retired: m.retired}
}

// indexNext indexes one more segment, merges its run with those of its size and below, and
// writes the manifest.
func (l *Log) indexNext(ctx context.Context, m *manifest, p part) (*manifest, error) {
	head, recent, err := l.indexOf(ctx, p)
	if err != nil {
		return nil, err
	}
	r, err := recent.write(ctx, l.files, len(m.segments))
	if err != nil {
		return nil, err
	}
	facts := segmentFacts{first: p.first, next: p.next, size: p.size, hash: head.Hash, recorded: head.Recorded}
	next, err := m.with(ctx, l.files, facts, r)
	if err != nil {
		return nil, l.mergeFailed(err)
	}
	return next, l.replaceManifest(ctx, m, next)
}

// mergeError says which runs could not be merged.
type mergeError struct {
	runs []*run
	err  error
}

func (e *mergeError) Error() string { return "merging: " + e.err.Error() }
func (e *mergeError) Unwrap() error { return e.err }

// mergeFailed has runs that are damaged, or that another process has replaced, left out.
func (l *Log) mergeFailed(err error) error {
	var failed *mergeError
	if !errors.As(err, &failed) || !errors.Is(err, errBadIndex) && !errors.Is(err, core.ErrNotFound) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range failed.runs {
		l.bad[r.id] = true
	}
	return errors.Join(errChanged, err)
}

// replaceManifest writes the next manifest, if the one it is made from is still there, and removes
// what no reader needs any more.
func (l *Log) replaceManifest(ctx context.Context, m, next *manifest) error {
	now, err := l.readManifest(ctx)
	if err != nil {
		return err
	}
	if now.sum != m.sum {
		return errors.Join(errChanged, removeAll(ctx, l.files, next.added(m)))
	}
	encoded := next.encode(l.id)
	if err := l.files.Put(ctx, manifestName, encoded); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return removeAll(ctx, l.files, m.retired)
}

// added are the files of runs that m does not have.
func (m *manifest) added(before *manifest) (names []string) {
	for _, r := range m.runs {
		if !slices.Contains(before.runs, r) {
			names = append(names, r.names()...)
		}
	}
	return names
}

func removeAll(ctx context.Context, files Files, names []string) error {
	for _, name := range names {
		if err := files.Remove(ctx, name); err != nil {
			return fmt.Errorf("removing an index: %w", err)
		}
	}
	return nil
}

// with is the manifest with one more segment and its run, which is merged with those before it of
// its level.
func (m *manifest) with(ctx context.Context, files Files, facts segmentFacts, r *run) (*manifest, error) {
	next := &manifest{segments: append(m.segments[:len(m.segments):len(m.segments)], facts)}
	keep := len(m.runs)
	for keep > 0 && level(m.runs[keep-1].to-m.runs[keep-1].from) == level(r.to-m.runs[keep-1].to) {
		keep--
	}
	merged := append(m.runs[keep:len(m.runs):len(m.runs)], r)
	if len(merged) > 1 {
		var err error
		if r, err = mergeRuns(ctx, files, merged); err != nil {
			return nil, &mergeError{merged, err}
		}
		for _, old := range merged {
			next.retired = append(next.retired, old.names()...)
		}
	}
	next.runs = append(m.runs[:keep:keep], r)
	return next, nil
}

// level is the tier of a run of that many segments. Two runs of one level are merged, so there is
// at most one of each, and as many levels as the number of segments has digits to the base 8.
func level(segments int) (n int) {
	for ; segments >= 8; segments /= 8 {
		n++
	}
	return n
}

func (r *run) names() (names []string) {
	for n := range r.parts {
		names = append(names, r.partName(n))
	}
	return names
}

// indexOf is the index of a closed segment, from memory or by reading it, and the head as it was
// when it was closed.
func (l *Log) indexOf(ctx context.Context, p part) (core.Head, *recent, error) {
	if r := p.segment.recent.Load(); r != nil {
		head, err := l.closedHead(ctx, p)
		return head, r, err
	}
	r, last := new(recent), line{}
	pass := l.pass(p, span{0, p.size})
	for {
		c, err := pass.next(ctx)
		if err != nil {
			return core.Head{}, nil, err
		}
		if len(c.text) == 0 {
			break
		}
		c.each(func(offset int64, text []byte) bool {
			last, _ = scanLine(text)
			r.add(l.keyer, offset, last)
			return true
		})
		last.recorded = append([]byte(nil), last.recorded...)
	}
	if last.position != p.next-1 {
		return core.Head{}, nil, corrupt(p.name(), p.size, last.position, "the segment ends where position %d must", p.next-1)
	}
	return core.Head{Position: last.position, Hash: pass.chain.Hash(), Recorded: parseRecorded(last.recorded)}, r, nil
}

// adopt has readers use a manifest's runs, and drops what was kept in memory in their place.
func (l *Log) adopt(m *manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs = m.runs
	for _, p := range l.closed[:min(m.indexed(), len(l.closed))] {
		p.segment.recent.Store(nil)
	}
	l.unindexed = len(l.closed) - m.indexed()
}

// maintainSoon maintains in the background, unless that is under way. The caller holds mu.
func (l *Log) maintainSoon() {
	if l.options.Manual || l.scheduled || l.background.Err() != nil {
		return
	}
	l.scheduled = true
	l.running.Go(func() {
		for again := true; again; {
			err := l.Maintain(l.background)
			l.mu.Lock()
			again = err == nil && l.unindexed > 0
			l.scheduled = again
			l.mu.Unlock()
			if err != nil && !errors.Is(err, context.Canceled) {
				l.options.Log.Warn("index not up to date", "error", err)
			}
		}
	})
}
