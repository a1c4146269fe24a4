package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"eventstore/core"
)

// row is one row of a result, in binary format. Its bytes are good only until the next row,
// so everything that is kept of it is copied.
type row [][]byte

func (r row) bigint(i int) int64 {
	if len(r[i]) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(r[i]))
}

func (r row) text(i int) string { return string(r[i]) }

func (r row) bool(i int) bool { return len(r[i]) == 1 && r[i][0] == 1 }

// time is a timestamp in UTC, the zero time where it is null.
func (r row) time(i int) (time.Time, error) {
	if r[i] == nil {
		return time.Time{}, nil
	}
	micros := r.bigint(i)
	if micros == math.MaxInt64 || micros == math.MinInt64 {
		return time.Time{}, errors.New("a time is infinite")
	}
	seconds, rest := micros/1_000_000, micros%1_000_000
	return time.Unix(seconds+secondsUntilPostgres, rest*1000).UTC(), nil
}

func (r row) hash(i int) (h core.Hash, err error) {
	if copy(h[:], r[i]) != len(h) || len(r[i]) != len(h) {
		return h, fmt.Errorf("a hash has %d bytes, not %d", len(r[i]), len(h))
	}
	return h, nil
}

// texts is an array of texts, nil where it is null or empty.
func (r row) texts(i int) ([]string, error) {
	b := r[i]
	if len(b) < 20 {
		return nil, nil
	}
	n := int(binary.BigEndian.Uint32(b[12:]))
	if binary.BigEndian.Uint32(b) != 1 || n > core.MaxTags {
		return nil, errors.New("tags are not one short list")
	}
	list := make([]string, 0, n)
	for b = b[20:]; len(list) < n; {
		if len(b) < 4 {
			return nil, errors.New("a list of tags is cut")
		}
		size := int(int32(binary.BigEndian.Uint32(b)))
		if b = b[4:]; size < 0 || size > len(b) {
			return nil, errors.New("a tag is null or cut")
		}
		list, b = append(list, string(b[:size])), b[size:]
	}
	return list, nil
}

// eventColumns are the columns of which event makes an event, in its order. They are those of
// the table that has the alias e.
const eventColumns = `e.position, e.id, e.type, e.source, e.subject, e.tags, e.time, e.recorded, e.more,
	e.data_content_type, e.data, e.data_base64, e.metadata, e.hash`

// previousColumn is where a result of [eventColumns] has the hash of the position before.
const previousColumn = 14

// event makes an event of a row of [eventColumns].
func (r row) event() (e core.Event, err error) {
	e = core.Event{
		Position: core.Position(r.bigint(0)), ID: r.text(1), Type: r.text(2), Source: r.text(3), Subject: r.text(4),
		More: r.bool(8), DataContentType: r.text(9), Data: r.text(10), DataBase64: r.text(11), Metadata: r.text(12),
	}
	var errs [4]error
	e.Tags, errs[0] = r.texts(5)
	e.Time, errs[1] = r.time(6)
	e.Recorded, errs[2] = r.time(7)
	e.Hash, errs[3] = r.hash(13)
	return e, errors.Join(errs[:]...)
}

// size is the length of all that a row holds.
func (r row) size() (n int) {
	for _, value := range r {
		n += len(value)
	}
	return n
}

// dataSize is the length of what the page's bound counts, unpacked: at least what it counted.
func (r row) dataSize() int { return len(r[10]) + len(r[11]) }
