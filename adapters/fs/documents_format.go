package fs

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"

	"eventstore/core"
)

// A collection's file is text where its values are text:
//
//	{"format":"documents 1","end":"00000000000000000345"}
//	{"length":"00000000000000000180","crc32c":"0123abcd"}
//	{"key":"order-1","version":"K5…","length":2,"crc32c":"89ab4567"}
//	{}
//	{"key":"order-2","deleted":true}
//
// The first line is as long in every file. end is how far the file was durable when it
// was last written: it is overwritten in place, after the fsync, and may lag behind. Then
// come batches, one a call of Write, each with the length and the CRC-32C of what
// follows; in it a line for each document and, but for a deletion, its bytes and a
// newline. The last record of a key is the document.

const (
	fileHead  = `{"format":"documents 1","end":"%020d"}` + "\n"
	batchHead = `{"length":"%020d","crc32c":"%08x"}` + "\n"
	// The lengths of the two, whose numbers have 20 and 8 digits.
	fileHeadSize  = len(fileHead) - len("%020d") + 20
	batchHeadSize = len(batchHead) - len("%020d") + 20 - len("%08x") + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// record is the line before a document's bytes.
type record struct {
	Key     string `json:"key"`
	Version string `json:"version,omitempty"`
	Length  int64  `json:"length,omitzero"`
	Sum     string `json:"crc32c,omitempty"` // of the bytes
	Deleted bool   `json:"deleted,omitzero"`
}

// entry is where a document's value is.
type entry struct {
	key, version   string
	offset, length int64
	sum            uint32
	size           int64 // of the record and its value; 0 for a deletion
}

// change is what a record does to the collection: a put, or with a zero entry a deletion.
type change struct {
	escaped string
	entry   entry // its offset is relative to the batch's beginning
}

// batch is what one call writes.
type batch struct {
	bytes   []byte // begins with room for the head
	changes []change
}

func newBatch() *batch { return &batch{bytes: make([]byte, batchHeadSize)} }

func (b *batch) empty() bool { return len(b.changes) == 0 }

// add takes a write into the batch, and tells its version: "" for a deletion.
func (b *batch) add(escaped string, w core.Write) (version string) {
	if w.Value == nil {
		b.bytes = append(append(append(b.bytes, `{"key":`...), core.AppendString(nil, w.Key)...), `,"deleted":true}`+"\n"...)
		b.changes = append(b.changes, change{escaped: escaped})
		return ""
	}
	version = rand.Text()
	b.put(escaped, entry{key: w.Key, version: version, sum: checksum(w.Value)}, w.Value)
	return version
}

func (b *batch) put(escaped string, e entry, value []byte) {
	start := len(b.bytes)
	b.bytes = core.AppendString(append(b.bytes, `{"key":`...), e.key)
	b.bytes = core.AppendString(append(b.bytes, `,"version":`...), e.version)
	b.bytes = strconv.AppendInt(append(b.bytes, `,"length":`...), int64(len(value)), 10)
	b.bytes = fmt.Appendf(b.bytes, `,"crc32c":"%08x"}`+"\n", e.sum)
	e.offset, e.length = int64(len(b.bytes)), int64(len(value))
	b.bytes = append(append(b.bytes, value...), '\n')
	e.size = int64(len(b.bytes) - start)
	b.changes = append(b.changes, change{escaped, e})
}

// seal fills in the head and gives the batch's bytes.
func (b *batch) seal() []byte {
	body := b.bytes[batchHeadSize:]
	copy(b.bytes, fmt.Sprintf(batchHead, len(body), checksum(body)))
	return b.bytes
}

// errBroken: these bytes are not a whole batch.
var errBroken = errors.New("not a whole batch")

// readBatch reads the batch with which r goes on, of at most most bytes, and its length. An errBroken
// says that it is not all there or not what was written.
func readBatch(r *bufio.Reader, most int64) (changes []change, size int64, err error) {
	length, sum, err := readBatchHead(r)
	if err != nil {
		return nil, 0, err
	}
	if there := most - int64(batchHeadSize); length > there {
		return nil, 0, fmt.Errorf("%w: %d of its %d bytes are there", errBroken, there, length)
	}
	body := &summed{r: r}
	for body.n < length {
		c, err := readRecord(body)
		if err != nil {
			return nil, 0, err
		}
		changes = append(changes, c)
	}
	if body.n != length || body.sum != sum {
		return nil, 0, fmt.Errorf("%w: its checksum is %08x, not %08x", errBroken, body.sum, sum)
	}
	return changes, int64(batchHeadSize) + length, nil
}

func readBatchHead(r *bufio.Reader) (length int64, sum uint32, err error) {
	head := make([]byte, batchHeadSize)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, 0, broken(err)
	}
	length, _ = strconv.ParseInt(string(head[len(`{"length":"`):][:20]), 10, 64)
	wide, _ := strconv.ParseUint(string(head[batchHeadSize-len("12345678\"}\n"):][:8]), 16, 32)
	if sum = uint32(wide); length <= 0 || string(head) != fmt.Sprintf(batchHead, length, sum) {
		return 0, 0, fmt.Errorf("%w: its head is %q", errBroken, head)
	}
	return length, sum, nil
}

// broken turns an end in the middle into an errBroken; another failure to read stays.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends in the middle", errBroken)
	}
	return err
}

// readRecord reads a record's line and passes over its value.
func readRecord(body *summed) (c change, err error) {
	start := body.n
	line, err := body.line()
	if err != nil {
		return c, broken(err)
	}
	var rec record
	if err := json.Unmarshal(line, &rec, json.RejectUnknownMembers(true)); err != nil || rec.Length < 0 {
		return c, fmt.Errorf("%w: one of its records is not one", errBroken)
	}
	c.escaped = core.EscapeKey(rec.Key)
	if rec.Deleted {
		return c, nil
	}
	sum, err := strconv.ParseUint(rec.Sum, 16, 32)
	if err != nil {
		return c, fmt.Errorf("%w: one of its records has no checksum", errBroken)
	}
	c.entry = entry{key: rec.Key, version: rec.Version, offset: int64(batchHeadSize) + body.n, length: rec.Length, sum: uint32(sum)}
	if err := body.skip(rec.Length + 1); err != nil {
		return c, broken(err)
	}
	c.entry.size = body.n - start
	return c, nil
}

// summed counts and sums what is read through it.
type summed struct {
	r   *bufio.Reader
	n   int64
	sum uint32
}

func (s *summed) take(b []byte) {
	s.n += int64(len(b))
	s.sum = crc32.Update(s.sum, castagnoli, b)
}

// line reads up to and with the next newline.
func (s *summed) line() ([]byte, error) {
	line, err := s.r.ReadBytes('\n')
	s.take(line)
	return bytes.TrimSuffix(line, []byte("\n")), err
}

func (s *summed) skip(n int64) error {
	_, err := io.CopyN(writerFunc(func(b []byte) { s.take(b) }), s.r, n)
	return err
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }
