package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"eventstore/core"
)

// checkpoint is how far the open segment was read, checked and durable once, so that an opening
// reads on from there. It is derived: before it is gone by, its last line is read and checked. The zero
// checkpoint is the segment's beginning.
type checkpoint struct {
	offset  int64
	appends int
	head    core.Head
}

// appendTo encodes c, for the manifest.
func (c checkpoint) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.offset))
	b = binary.AppendUvarint(b, uint64(c.appends))
	b = binary.AppendUvarint(b, uint64(c.head.Position))
	b = binary.AppendVarint(b, c.head.Recorded.UnixMicro())
	return append(b, c.head.Hash[:]...)
}

func (d *decoder) checkpoint() (c checkpoint) {
	c = checkpoint{offset: int64(d.number()), appends: int(d.number()), head: core.Head{Position: core.Position(d.number()), Recorded: d.time()}}
	copy(c.head.Hash[:], d.take(len(c.head.Hash)))
	return c
}

// checkpointEvery is how many bytes behind the last checkpoint the next one is due.
func (l *Log) checkpointEvery() int64 { return min(4<<20, max(l.options.SegmentSize/4, 1)) }

// resume reads the open segment from a checkpoint on, or from its beginning.
func (l *Log) resume(ctx context.Context, c checkpoint) error {
	size := l.options.OpenSize + firstRead
	if c.offset == 0 {
		return l.catchUp(ctx, size)
	}
	from := max(c.offset-firstRead, 0)
	n, err := l.files.ReadAt(ctx, l.end.name(), l.scratch(size), from)
	switch {
	case errors.Is(err, core.ErrNotFound) || err == nil && n < size:
		return errGuess
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading %s: %w", l.end.name(), err)
	}
	text, behind := l.buffer[:n], int(c.offset-from)
	if behind > n || !c.vouched(text[:behind], from) {
		return errGuess
	}
	l.end.offset, l.end.appends, l.end.head = c.offset, c.appends, c.head
	l.recent.from, l.checkpointed = c.offset, c.offset
	more, err := l.take(ctx, text[behind:], err != nil)
	if err != nil || !more {
		return err
	}
	return l.catchUp(ctx, size)
}

// vouched reports whether text, which begins at from, ends with the event of the checkpoint's head,
// by its hash and the one before.
func (c checkpoint) vouched(text []byte, from int64) bool {
	at := lastLine(text)
	if at < beforeLine {
		return false // there is no room for the hash before, or the line is longer than what was read
	}
	previous, ok := statedHash(text[:at])
	if !ok {
		return false
	}
	head, err := checkedHead(previous, text[at:len(text)-1])
	return err == nil && head == c.head
}

// checkpoint is m with a new checkpoint, where the old one is that many bytes back; else nil.
func (l *Log) checkpoint(m *manifest, every int64) *manifest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(m.segments) != len(l.closed) || l.end.shut {
		return nil // the open segment is another by now
	}
	if since := l.end.offset - m.open.offset; 0 <= since && since < every {
		return nil
	}
	open := checkpoint{offset: l.end.offset, appends: l.end.appends, head: l.end.head}
	return &manifest{segments: m.segments, runs: m.runs, open: open}
}

// lastCheckpoint leaves a checkpoint at the log's end, if this process has moved it.
func (l *Log) lastCheckpoint() {
	l.mu.Lock()
	due := l.written && !l.options.Manual
	l.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := l.maintainAll(ctx, min(firstRead, l.checkpointEvery())); err != nil {
		l.options.Log.Warn("no checkpoint", "error", err)
	}
}
