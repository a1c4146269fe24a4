package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"eventstore/core"
)

const (
	manifestName   = Derived + "manifest"
	manifestFormat = "eventstore index 1\n"
)

// manifest is what is known of a log's closed segments without reading them, and the runs that
// index them. It is derived: one that is missing, damaged or of another log is as good as empty.
type manifest struct {
	segments []segmentFacts
	runs     []*run // without a gap, the first from segment 0 on
	open     checkpoint
	// retired are files of runs that the last change replaced. They are removed with the
	// next one, so that who read the manifest before that change still finds them.
	retired []string
	sum     uint64 // the checksum of what was read; 0 of what there was not
}

// segmentFacts are what the manifest says of a closed segment.
type segmentFacts struct {
	first, next core.Position
	size        int64
	hash        core.Hash // of the last event
	recorded    time.Time // of the last event
}

func (m *manifest) indexed() int {
	if len(m.runs) == 0 {
		return 0
	}
	return m.runs[len(m.runs)-1].to
}

// head is the head of the log when its last segment was closed.
func (m *manifest) head() core.Head {
	last := m.segments[len(m.segments)-1]
	return core.Head{Position: last.next - 1, Hash: last.hash, Recorded: last.recorded}
}

// encode is the manifest as it is stored, and sets its sum: the format, the log's identity, the facts, the
// runs, the retired files and a checksum of it all.
func (m *manifest) encode(id string) []byte {
	b := appendText([]byte(manifestFormat), id)
	b = binary.AppendUvarint(b, uint64(len(m.segments)))
	for _, s := range m.segments {
		b = binary.AppendUvarint(b, uint64(s.next-s.first))
		b = binary.AppendUvarint(b, uint64(s.size))
		b = binary.AppendVarint(b, s.recorded.UnixMicro())
		b = append(b, s.hash[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(m.runs)))
	for _, r := range m.runs {
		b = appendText(b, r.id)
		b = binary.AppendUvarint(b, uint64(r.to-r.from))
		b = binary.AppendUvarint(b, uint64(len(r.parts)))
		for _, p := range r.parts {
			b = binary.BigEndian.AppendUint64(b, uint64(p.first))
			b = binary.AppendUvarint(b, uint64(p.pages))
		}
	}
	b = m.open.appendTo(b)
	b = binary.AppendUvarint(b, uint64(len(m.retired)))
	for _, name := range m.retired {
		b = appendText(b, name)
	}
	m.sum = xxh3.Hash(b)
	return binary.BigEndian.AppendUint64(b, m.sum)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// decodeManifest reads what encode wrote.
func decodeManifest(b []byte, id string) (*manifest, error) {
	body := b[:max(len(b)-8, 0)]
	d := decoder{rest: body}
	if len(b) < 8 || binary.BigEndian.Uint64(b[len(body):]) != xxh3.Hash(body) || string(d.take(len(manifestFormat))) != manifestFormat {
		return nil, fmt.Errorf("%w: the manifest has another checksum or format", errBadIndex)
	}
	if d.text() != id {
		return nil, fmt.Errorf("%w: the manifest is another log's", errBadIndex)
	}
	m, first, at := &manifest{sum: xxh3.Hash(body)}, core.Position(1), 0
	for range d.number() {
		s := segmentFacts{first: first, next: first + core.Position(d.number()), size: int64(d.number()), recorded: d.time()}
		copy(s.hash[:], d.take(len(s.hash)))
		m.segments, first = append(m.segments, s), s.next
	}
	for range d.number() {
		r := &run{id: d.text(), from: at}
		at += int(d.number())
		r.to = at
		for range d.number() {
			r.parts = append(r.parts, runPart{key(d.fixed()), int(d.number())})
		}
		m.runs = append(m.runs, r)
	}
	m.open = d.checkpoint()
	for range d.number() {
		m.retired = append(m.retired, d.text())
	}
	if d.bad || len(d.rest) > 0 || m.indexed() > len(m.segments) {
		return nil, fmt.Errorf("%w: the manifest does not agree with itself", errBadIndex)
	}
	return m, nil
}

// decoder takes a manifest apart. Once something is missing it is bad, and everything is zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.rest) {
		d.bad = true
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > 1<<62 || d.take(size) == nil {
		d.bad = true
		return 0
	}
	return n
}

func (d *decoder) time() time.Time {
	n, size := binary.Varint(d.rest)
	if size <= 0 || d.take(size) == nil {
		d.bad = true
	}
	return time.UnixMicro(n).UTC()
}

func (d *decoder) fixed() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) text() string { return string(d.take(int(min(d.number(), 1<<20)))) }

// readManifest reads the manifest; an empty one where there is none, or none to go by.
func (l *Log) readManifest(ctx context.Context) (*manifest, error) {
	bytes, err := readAll(ctx, l.files, manifestName)
	if errors.Is(err, core.ErrNotFound) {
		return &manifest{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	m, err := decodeManifest(bytes, l.id)
	if err != nil {
		l.options.Log.WarnContext(ctx, "the index is built anew", "reason", err)
		return &manifest{}, nil
	}
	return m, nil
}

// readAll reads a whole file; a small one with one call.
func readAll(ctx context.Context, files Files, name string) (all []byte, err error) {
	for size := 256 << 10; ; size *= 2 {
		from := len(all)
		all = slices.Grow(all, size)[:from+size]
		n, err := files.ReadAt(ctx, name, all[from:], int64(from))
		all = all[:from+n]
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
