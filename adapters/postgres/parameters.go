package postgres

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"
)

// The types of parameters, by their numbers in pg_type, which never change.
const (
	typeBool             = 16
	typeBytes            = 17
	typeBigint           = 20
	typeText             = 25
	typeBoolArray        = 1000
	typeBytesArray       = 1001
	typeTextArray        = 1009
	typeBigintArray      = 1016
	typeTimestamp        = 1184
	typeTimestampArray   = 1185
	binaryFormat         = 1
	noValue              = -1
	secondsUntilPostgres = 946684800 // PostgreSQL counts microseconds from 2000-01-01
)

// parameters are the values of a statement's $1, $2 …, each in PostgreSQL's binary format: no
// setting of a session (the style of dates, say) has a part in what they mean.
type parameters struct {
	values [][]byte
	types  []uint32
}

func (p *parameters) add(oid uint32, value []byte) {
	p.types, p.values = append(p.types, oid), append(p.values, value)
}

func (p *parameters) bigint(n int64) {
	p.add(typeBigint, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func (p *parameters) text(text string) { p.add(typeText, []byte(text)) }

// optionalText adds a text, or null where it is empty.
func (p *parameters) optionalText(text string) {
	if text == "" {
		p.add(typeText, nil)
		return
	}
	p.text(text)
}

// bytes adds a value as it is, not null.
func (p *parameters) bytes(value []byte) {
	p.add(typeBytes, append(make([]byte, 0, len(value)), value...))
}

func (p *parameters) timestamp(t time.Time) { p.add(typeTimestamp, appendTimestamp(nil, t)) }

// appendTimestamp writes t, which has whole microseconds.
func appendTimestamp(b []byte, t time.Time) []byte {
	micros := (t.Unix()-secondsUntilPostgres)*1_000_000 + int64(t.Nanosecond()/1000)
	return binary.BigEndian.AppendUint64(b, uint64(micros))
}

// array adds an array of n elements, each of which element appends to b; where it returns
// false the element is null.
func (p *parameters) array(oid, elementOID uint32, n int, element func(b []byte, i int) ([]byte, bool)) {
	if n == 0 {
		p.add(oid, binary.BigEndian.AppendUint32(make([]byte, 8, 12), elementOID))
		return
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 20+20*n), 1) // dimensions
	b = binary.BigEndian.AppendUint32(b, 1)                         // there may be nulls
	b = binary.BigEndian.AppendUint32(b, elementOID)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = binary.BigEndian.AppendUint32(b, 1) // the first index
	for i := range n {
		start := len(b)
		b = append(b, 0, 0, 0, 0)
		with, ok := element(b, i)
		size := int32(noValue)
		if ok {
			b, size = with, int32(len(with)-start-4)
		}
		binary.BigEndian.PutUint32(b[start:], uint32(size))
	}
	p.add(oid, b)
}

// texts adds an array of texts, of which an empty one is null.
func (p *parameters) texts(n int, text func(i int) string) {
	p.array(typeTextArray, typeText, n, func(b []byte, i int) ([]byte, bool) {
		t := text(i)
		return append(b, t...), t != ""
	})
}

func (p *parameters) textList(list []string) {
	p.texts(len(list), func(i int) string { return list[i] })
}

func (p *parameters) timestamps(n int, at func(i int) time.Time) {
	p.array(typeTimestampArray, typeTimestamp, n, func(b []byte, i int) ([]byte, bool) { return appendTimestamp(b, at(i)), true })
}

func (p *parameters) bools(n int, value func(i int) bool) {
	p.array(typeBoolArray, typeBool, n, func(b []byte, i int) ([]byte, bool) {
		if value(i) {
			return append(b, 1), true
		}
		return append(b, 0), true
	})
}

func (p *parameters) bigints(list []int64) {
	p.array(typeBigintArray, typeBigint, len(list), func(b []byte, i int) ([]byte, bool) {
		return binary.BigEndian.AppendUint64(b, uint64(list[i])), true
	})
}

// byteStrings adds an array of bytea, of which a nil one is null.
func (p *parameters) byteStrings(n int, value func(i int) []byte) {
	p.array(typeBytesArray, typeBytes, n, func(b []byte, i int) ([]byte, bool) {
		v := value(i)
		return append(b, v...), v != nil
	})
}

// arrayLiteral is a list of texts as an array's text, "" for none: how each row's tags go in
// one array of all rows'.
func arrayLiteral(list []string) string {
	if len(list) == 0 {
		return ""
	}
	b := []byte{'{'}
	for i, text := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for j := 0; j < len(text); j++ {
			if text[j] == '"' || text[j] == '\\' {
				b = append(b, '\\')
			}
			b = append(b, text[j])
		}
		b = append(b, '"')
	}
	return string(append(b, '}'))
}

// storable reports whether PostgreSQL can hold a text at all; what it can't, it can't have.
func storable(text string) bool {
	return text != "" && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// storables are those of a list that can be there, each once.
func storables(list []string) []string {
	kept, seen := make([]string, 0, len(list)), make(map[string]bool, len(list))
	for _, text := range list {
		if storable(text) && !seen[text] {
			seen[text] = true
			kept = append(kept, text)
		}
	}
	return kept
}
