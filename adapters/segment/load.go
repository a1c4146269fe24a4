package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"eventstore/core"
)

// errGuess says that the manifest is not how the log is, or is behind it.
var errGuess = errors.New("the manifest is not up to date")

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

// addClosed adds a segment behind the closed ones.
func (l *Log) addClosed(first, next core.Position, size int64) *closedSegment {
	p := part{ordinal: len(l.closed), segment: new(closedSegment), first: first, next: next, size: size, closed: true}
	if last := l.lastClosed(); last != nil {
		p.before = last
	}
	l.closed = append(l.closed, p)
	return p.segment
}

// lastClosed is the last closed segment; nil when there is none.
func (l *Log) lastClosed() *part {
	if len(l.closed) == 0 {
		return nil
	}
	last := l.closed[len(l.closed)-1]
	return &last
}

// loadListed takes the segments from the list of files, and the indexes from the manifest as far as
// it agrees with them.
func (l *Log) loadListed(ctx context.Context, m *manifest) error {
	l.guessed, l.listed = false, true
	l.closed, l.end, l.recent, l.runs = nil, end{segment: 1}, new(recent), nil
	size, err := l.list(ctx)
	if err != nil {
		return err
	}
	if last := l.lastClosed(); last != nil {
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
	_, err := l.list(ctx)
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

// list fills in the closed segments, and where the last one begins, and reports its size.
func (l *Log) list(ctx context.Context) (size int64, err error) {
	l.end.segment = 1
	first := core.Position(0)
	for info, err := range l.files.List(ctx, logDirectory, "") {
		if err != nil {
			return 0, fmt.Errorf("listing segments: %w", err)
		}
		next, ok := parseName(info.Name)
		if !ok {
			continue // what was cut
		}
		if first == 0 && next != 1 {
			return 0, &core.CorruptError{Place: info.Name, Position: 1, Reason: "the segments before it are missing"}
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

// closedHead is the head as it was when a segment was closed: its last event, checked against the
// hash of the one before, which may be in the segment before.
func (l *Log) closedHead(ctx context.Context, c part) (head core.Head, err error) {
	last, err := l.readLastLines(ctx, c)
	if err != nil {
		return head, err
	}
	previous, ok := core.Hash{}, true
	if last.event > 0 {
		previous, ok = statedHash(last.text[:last.event])
	} else {
		previous, err = l.previous(ctx, c)
	}
	if err != nil {
		return head, err
	}
	text := last.text[last.event : last.closing-1]
	if !ok {
		return head, corrupt(c.name(), last.from+int64(last.event), c.next-2, "the line before does not end with a hash")
	}
	head, err = checkedHead(previous, text)
	if err == nil && head.Position != c.next-1 {
		err = fmt.Errorf("position %d where the segment ends at %d", head.Position, c.next-1)
	}
	if err != nil {
		return head, corrupt(c.name(), last.from+int64(last.event), c.next-1, "%v", err)
	}
	return head, nil
}

// checkedHead is the head after an event's line, which follows the event whose hash is previous.
func checkedHead(previous core.Hash, text []byte) (core.Head, error) {
	if err := core.NewChain(previous).Next(text); err != nil {
		return core.Head{}, err
	}
	e, err := core.ParseLine(string(text))
	return e.Head(), err
}

// statedEnd is the hash that a closed segment's last event states; it is not checked here.
func (l *Log) statedEnd(ctx context.Context, c part) (core.Hash, error) {
	if hash := c.segment.hash.Load(); hash != nil {
		return *hash, nil
	}
	last, err := l.readLastLines(ctx, c)
	if err != nil {
		return core.Hash{}, err
	}
	hash, ok := statedHash(last.text[:last.closing])
	if !ok {
		return hash, corrupt(c.name(), last.from+int64(last.event), c.next-1, "the line does not end with a hash")
	}
	c.segment.hash.Store(&hash)
	return hash, nil
}

// lastLines are the last bytes of a closed segment, with where in them its last event and its
// closing line begin.
type lastLines struct {
	from           int64
	text           []byte
	event, closing int
}

// readLastLines reads as much of a closed segment's end as it takes to have the last event,
// and the hash before it if the segment has it, and checks the closing line.
func (l *Log) readLastLines(ctx context.Context, c part) (last lastLines, err error) {
	for size := int64(16 << 10); ; size *= 4 {
		last.from = max(c.size-size, 0)
		if last.text, err = l.readFull(ctx, c.name(), last.from, c.size); err != nil {
			return last, err
		}
		last.closing = lastLine(last.text)
		last.event = lastLine(last.text[:max(last.closing, 0)])
		if last.event >= beforeLine || last.from == 0 {
			break
		}
	}
	if last.closing < 0 {
		return last, corrupt(c.name(), c.size, c.next-1, "the segment's last line is cut, though %s follows", segmentName(c.next))
	}
	text := last.text[last.closing : len(last.text)-1]
	if shut, err := checkClosing(text, c.next-1); shut || err != nil {
		return last, corrupt(c.name(), last.from+int64(last.closing), c.next-1, "%q where the segment must end, since %s follows", clip(text), segmentName(c.next))
	}
	if last.event < 0 {
		return last, corrupt(c.name(), 0, c.first, "a closed segment without an event")
	}
	return last, nil
}

// lastLine is where the last whole line of text begins; -1 if text does not end one.
func lastLine(text []byte) int {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return -1
	}
	return bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
}

// readFull reads all of a file between two offsets.
func (l *Log) readFull(ctx context.Context, name string, from, to int64) ([]byte, error) {
	p := make([]byte, to-from)
	n, err := l.files.ReadAt(ctx, name, p, from)
	switch {
	case errors.Is(err, core.ErrNotFound):
		return nil, corrupt(name, 0, 0, "the segment is missing")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case n < len(p):
		return nil, corrupt(name, from+int64(n), 0, "the segment ends where it had %d bytes", to)
	}
	return p, nil
}
