package segment

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"eventstore/core"
)

var (
	// errGuess says that the manifest is not how the log is.
	errGuess = errors.New("the manifest is not that of the log")
	// errBehind says that the segment which was open when the manifest was written is closed. All of it is checked,
	// and the end is behind it.
	errBehind = errors.New("the manifest is behind the log")
)

// load finds the log's end: where the manifest says it is if that is so, else by the list of
// segments. The last segment is read from its beginning, so that every byte of the last
// append is checked whatever its size.
// The caller holds mu.
func (l *Log) load(ctx context.Context) error {
	m, err := l.readManifest(ctx)
	if err != nil {
		return err
	}
	err = l.loadGuess(ctx, m)
	if errors.Is(err, errBehind) {
		err = l.follow(ctx, m)
	}
	if errors.Is(err, errGuess) || errors.Is(err, core.ErrCorrupt) {
		err = l.loadListed(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("opening log: %w", err)
	}
	l.loaded = true
	if l.unindexed > 0 {
		l.maintainSoon()
	}
	return nil
}

// update brings the end up to date: the first time it loads the log, then it reads on. The caller
// holds mu.
func (l *Log) update(ctx context.Context) error {
	if !l.loaded {
		return l.load(ctx)
	}
	return l.catchUp(ctx, firstRead)
}

// loadGuess takes the closed segments from the manifest. What follows them must be the open one.
func (l *Log) loadGuess(ctx context.Context, m *manifest) error {
	l.guessed, l.listed, l.end = true, false, end{segment: 1}
	l.closed, l.recent = nil, new(recent)
	for _, s := range m.segments {
		l.addClosed(s.first, s.next, s.size).hash.Store(&s.hash)
	}
	if len(m.segments) > 0 {
		l.end = end{segment: m.head().Position + 1, head: m.head()}
	}
	l.runs = m.runs
	if err := l.resume(ctx, m.open); err != nil {
		return err
	}
	if l.end.offset == 0 {
		if err := l.confirmEmpty(ctx); err != nil {
			return err
		}
	}
	l.guessed = false
	return nil
}

// follow goes on behind what the manifest knows, however much that is: the segments that were closed since are
// listed, no others, and the open one is read.
func (l *Log) follow(ctx context.Context, m *manifest) error {
	l.guessed = false
	size, err := l.list(ctx, l.end.segment)
	if err != nil {
		return err
	}
	return l.readOpen(ctx, size, m)
}

// readOpen reads the open segment, which has that size and follows the closed ones, and takes a manifest's indexes.
func (l *Log) readOpen(ctx context.Context, size int64, m *manifest) error {
	if last := l.lastClosed(); last != nil && last.segment.hash.Load() == nil {
		head, err := l.closedHead(ctx, *last)
		if err != nil {
			return err
		}
		last.segment.hash.Store(&head.Hash)
		l.end.head = head
	}
	if err := l.catchUp(ctx, int(min(size, mostRead))+firstRead); err != nil {
		return err
	}
	l.runs, l.unindexed = m.runs, len(l.closed)-m.indexed()
	return nil
}

// confirmEmpty checks the head before an empty segment, since no line of it does.
func (l *Log) confirmEmpty(ctx context.Context) error {
	last := l.lastClosed()
	if last == nil {
		return nil
	}
	head, err := l.closedHead(ctx, *last)
	if err == nil && head != l.end.head {
		err = errGuess
	}
	return err
}

// loadListed takes the segments from the list of files, and the indexes from the manifest as far as
// it agrees with them.
func (l *Log) loadListed(ctx context.Context, m *manifest) error {
	l.guessed, l.listed = false, true
	l.closed, l.end, l.recent, l.runs = nil, end{segment: 1}, new(recent), nil
	size, err := l.list(ctx, 1)
	if err != nil {
		return err
	}
	if err := l.readOpen(ctx, size, &manifest{}); err != nil {
		return err
	}
	if m, err = l.agreed(ctx, m, l.closed); err != nil {
		return err
	}
	l.runs, l.unindexed = m.runs, len(l.closed)-m.indexed()
	return nil
}

// relist takes the closed segments from the list of files, if they were from the manifest, and has
// the manifest built anew. It reports whether it did: what seemed corrupt may only have
// seemed so.
func (l *Log) relist(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listed {
		return false
	}
	known, open := l.closed, l.end
	l.closed = nil
	_, err := l.list(ctx, 1)
	l.closed = l.closed[:closedBefore(l.closed, open.segment)]
	if l.end = open; err != nil || len(l.closed) == 0 || l.lastClosed().next != open.segment {
		l.closed = known
		return false
	}
	for _, r := range l.runs {
		l.bad[r.id] = true
	}
	l.runs, l.listed, l.unindexed = nil, true, len(l.closed)
	l.maintainSoon()
	return true
}

// closedBefore is how many of the segments end before a position.
func closedBefore(closed []part, position core.Position) int {
	return sort.Search(len(closed), func(i int) bool { return closed[i].next > position })
}

// list adds the closed segments from a position on, and where the last one begins, and reports its size.
// There need be none.
func (l *Log) list(ctx context.Context, from core.Position) (size int64, err error) {
	l.end.segment = from
	first := core.Position(0)
	for info, err := range l.files.List(ctx, logDirectory, segmentName(from)) {
		if err != nil {
			return 0, fmt.Errorf("listing segments: %w", err)
		}
		next, ok := parseName(info.Name)
		if !ok {
			continue // what was cut
		}
		if first == 0 && next != from {
			return 0, &core.CorruptError{Place: info.Name, Position: from, Reason: "the segments before it are missing"}
		}
		if first != 0 {
			l.addClosed(first, next, size)
		}
		first, size = next, info.Size
	}
	if first != 0 {
		l.end.segment = first
	}
	return size, nil
}

func parseName(name string) (first core.Position, ok bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, logDirectory), segmentEnding)
	n, err := strconv.ParseInt(digits, 10, 64)
	first = core.Position(n)
	return first, err == nil && n > 0 && name == segmentName(first)
}
