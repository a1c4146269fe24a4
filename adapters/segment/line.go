package segment

import (
	"bytes"
	"fmt"
	"strconv"

	"eventstore/core"
)

// line is what stands before the data in an event's stored line: its texts as they are
// stored, with their quotes and escapes, as parts of it. Since the escapes are frozen, two
// texts are equal exactly if they are stored as the same bytes.
type line struct {
	position core.Position
	id       []byte
	typ      []byte
	subject  []byte // nil when there is none
	tags     []byte // without the brackets; nil when there are none
	recorded []byte // as core.FormatTime writes it, so that it is ordered as text
	more     bool
}

const recordedSize = len("2006-01-02T15:04:05.000000Z")

// scanLine takes the head of a line apart. It is as quick as it can be, since every line that
// is opened, indexed or filtered goes through it, and leaves the rest to core.ParseLine.
func scanLine(text []byte) (l line, ok bool) {
	s := scanner{rest: text, ok: true}
	s.expect(`{"position":`)
	l.position = s.position()
	s.expect(`,"id":`)
	l.id = s.text()
	s.expect(`,"type":`)
	l.typ = s.text()
	if s.skip(`,"source":`) {
		s.text()
	}
	if s.skip(`,"subject":`) {
		l.subject = s.text()
	}
	if s.skip(`,"tags":[`) {
		l.tags = s.list()
	}
	if s.skip(`,"time":`) {
		s.text()
	}
	s.expect(`,"recorded":"`)
	l.recorded = s.take(recordedSize)
	s.expect(`"`)
	l.more = s.skip(`,"more":true`)
	return l, s.ok
}

// positionOf is the position of an event's line; 0 when it is none.
func positionOf(text []byte) core.Position {
	s := scanner{rest: text, ok: true}
	s.expect(`{"position":`)
	return s.position()
}

// scanner steps over a line. Once something is missing it is not ok and stands still.
type scanner struct {
	rest []byte
	ok   bool
}

func (s *scanner) skip(token string) bool {
	if !s.ok || len(s.rest) < len(token) || string(s.rest[:len(token)]) != token {
		return false
	}
	s.rest = s.rest[len(token):]
	return true
}

func (s *scanner) expect(token string) {
	if !s.skip(token) {
		s.ok = false
	}
}

func (s *scanner) take(n int) []byte {
	if !s.ok || len(s.rest) < n {
		s.ok = false
		return nil
	}
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

func (s *scanner) position() core.Position {
	n, i := int64(0), 0
	for ; i < len(s.rest) && i < 18 && '0' <= s.rest[i] && s.rest[i] <= '9'; i++ {
		n = 10*n + int64(s.rest[i]-'0')
	}
	s.ok = s.ok && n > 0
	s.take(i)
	return core.Position(n)
}

// text steps over a JSON string, quotes included.
func (s *scanner) text() []byte {
	if !s.ok || len(s.rest) == 0 || s.rest[0] != '"' {
		s.ok = false
		return nil
	}
	for end := 1; ; {
		i := bytes.IndexByte(s.rest[end:], '"')
		if i < 0 {
			s.ok = false
			return nil
		}
		end += i + 1
		if !escaped(s.rest[:end-1]) {
			return s.take(end)
		}
	}
}

// escaped reports whether what follows text in a JSON string is escaped.
func escaped(text []byte) bool {
	backslashes := 0
	for i := len(text) - 1; i >= 0 && text[i] == '\\'; i-- {
		backslashes++
	}
	return backslashes%2 == 1
}

// list steps over a list of strings and its closing bracket.
func (s *scanner) list() []byte {
	all := s.rest
	for s.text(); s.skip(`,`); {
		s.text()
	}
	if !s.ok {
		return nil
	}
	list := all[:len(all)-len(s.rest)]
	s.expect(`]`)
	return list
}

// eachTag calls visit with every string of a line's tags.
func eachTag(tags []byte, visit func(tag []byte)) {
	s := scanner{rest: tags, ok: len(tags) > 0}
	for s.ok {
		if tag := s.text(); s.ok {
			visit(tag)
		}
		s.expect(`,`)
	}
}

const (
	closedOpen = `{"closed":true`
	closedNext = closedOpen + `,"next":`
	// shutLine ends a log for good: nothing follows it.
	shutLine = closedOpen + "}"
)

// closingLine is the last line of a segment, which says where the next begins.
func closingLine(next core.Position) []byte {
	return fmt.Appendf(nil, "%s%d}\n", closedNext, next)
}

func isClosing(text []byte) bool { return bytes.HasPrefix(text, []byte(closedOpen)) }

// checkClosing checks the line that closes a segment behind head, and reports whether it
// shuts the log for good.
func checkClosing(text []byte, head core.Position) (shut bool, err error) {
	if string(text) == shutLine {
		return true, nil
	}
	want := closedNext + strconv.FormatInt(int64(head)+1, 10) + "}"
	if string(text) != want {
		return false, fmt.Errorf("%q where a segment ends with %s", clip(text), want)
	}
	return false, nil
}

// clip shortens what is shown in an error.
func clip(text []byte) []byte { return text[:min(len(text), 60)] }

const (
	hashOpen   = `,"hash":"`
	hashDigits = 2 * len(core.Hash{})
	// hashTail is the length of `"}` and the newline behind the digits.
	hashTail = len("\"}\n")
	// beforeLine is how much stands at least before every line but a segment's first, and holds
	// the hash of the line before.
	beforeLine = len(hashOpen) + hashDigits + hashTail
)

// statedHash is the hash with which the line ends that ends, with its newline, at the end of text.
func statedHash(text []byte) (h core.Hash, ok bool) {
	at := len(text) - hashDigits - hashTail
	if at < len(hashOpen) || string(text[at-len(hashOpen):at]) != hashOpen || string(text[at+hashDigits:]) != "\"}\n" {
		return h, false
	}
	h, err := core.ParseHash(string(text[at : at+hashDigits]))
	return h, err == nil
}

// corrupt says that what stands at offset of a segment is not what was written.
func corrupt(name string, offset int64, position core.Position, format string, args ...any) error {
	return &core.CorruptError{
		Place:    fmt.Sprintf("%s, byte %d", name, offset),
		Position: position,
		Reason:   fmt.Sprintf(format, args...),
	}
}
