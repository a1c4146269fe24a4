package core

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseLine reads the stored line (without its newline) that [Seal] or an adapter's
// [Event.Line] made. It accepts what the one encoder writes and nothing else; an error is
// an [ErrCorrupt] with the offset in the line. It does not check the hash: see [Chain].
// The event keeps line, and its texts are parts of it, without copying.
func ParseLine(line string) (Event, error) {
	p := parser{text: line}
	e := Event{line: line}
	p.expect(`{"position":`)
	e.Position = Position(p.number())
	e.ID = p.textField(`,"id":`)
	e.Type = p.textField(`,"type":`)
	e.Source = p.textField(`,"source":`)
	e.Subject = p.textField(`,"subject":`)
	e.Tags = p.tags()
	e.Time = p.timeField(`,"time":"`)
	e.Recorded = p.timeField(`,"recorded":"`)
	e.More = p.skip(`,"more":true`)
	e.DataContentType = p.textField(`,"dataContentType":`)
	e.Data = p.rawField(`,"data":`)
	e.DataBase64 = p.textField(`,"dataBase64":`)
	e.Metadata = p.rawField(`,"metadata":`)
	p.expect(hashOpen)
	e.Hash = p.hash()
	p.expect(hashClose)
	if p.err == nil && p.at != len(line) {
		p.fail("the line goes on after its end")
	}
	if p.err != nil {
		return Event{}, p.err
	}
	return e, nil
}

// parser walks a line. After the first error it stands still.
type parser struct {
	text string
	at   int
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: byte %d of the line: %s", ErrCorrupt, p.at, fmt.Sprintf(format, args...))
	}
}

// skip steps over token if it is next.
func (p *parser) skip(token string) bool {
	if p.err != nil || !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

func (p *parser) expect(token string) {
	if !p.skip(token) {
		p.fail("%q is missing", token)
	}
}

func (p *parser) number() int64 {
	end := p.at
	for end < len(p.text) && '0' <= p.text[end] && p.text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(p.text[p.at:end], 10, 64)
	if err != nil || n < 1 || p.text[p.at] == '0' {
		p.fail("no position")
		return 0
	}
	p.at = end
	return n
}

func (p *parser) textField(name string) string {
	if !p.skip(name) {
		return ""
	}
	text := p.string()
	if text == "" {
		p.fail("an empty text, which the encoder leaves out")
	}
	return text
}

// string reads a JSON string. Without escapes it is a part of the line.
func (p *parser) string() string {
	end := p.stringEnd()
	if p.err != nil {
		return ""
	}
	quoted := p.text[p.at:end]
	p.at = end
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	return p.unescape(quoted[1 : len(quoted)-1])
}

// stringEnd is the offset behind the closing quote of the string that begins here.
func (p *parser) stringEnd() int {
	if p.err != nil {
		return 0
	}
	if p.at >= len(p.text) || p.text[p.at] != '"' {
		p.fail("a string is missing")
		return 0
	}
	for i := p.at + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	p.fail("a string does not end")
	return 0
}

var unescaped = map[byte]byte{'"': '"', '\\': '\\', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape undoes the frozen escapes.
func (p *parser) unescape(text string) string {
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++
		if c, ok := unescaped[text[i]]; ok {
			b = append(b, c)
			continue
		}
		if len(text) < i+5 {
			p.fail("a cut escape")
			return ""
		}
		code, err := strconv.ParseUint(text[i+1:i+5], 16, 16)
		if err != nil || code >= 0x20 || string(appendEscape(nil, byte(code))) != text[i-1:i+5] {
			p.fail("an escape that the encoder never writes")
			return ""
		}
		b = append(b, byte(code))
		i += 4
	}
	return string(b)
}

func (p *parser) tags() []string {
	if !p.skip(`,"tags":[`) {
		return nil
	}
	tags := make([]string, 0, 4)
	for {
		tags = append(tags, p.string())
		if p.skip(`]`) || p.err != nil {
			return tags
		}
		p.expect(`,`)
	}
}

func (p *parser) timeField(name string) time.Time {
	const size = len(timeLayout)
	if !p.skip(name) {
		return time.Time{}
	}
	if len(p.text) < p.at+size+1 || p.text[p.at+size] != '"' {
		p.fail("no time")
		return time.Time{}
	}
	t, ok := parseWritten(p.text[p.at : p.at+size])
	if !ok {
		p.fail("%q is no time that the encoder writes", p.text[p.at:p.at+size])
		return time.Time{}
	}
	p.at += size + 1
	return t
}

// parseWritten reads what FormatTime wrote, which time.Parse takes five times as long for.
func parseWritten(text string) (t time.Time, ok bool) {
	for i, c := range []byte(timeLayout) {
		if digit := text[i] - '0'; c >= '0' && c <= '9' && digit > 9 || (c < '0' || c > '9') && text[i] != c {
			return t, false
		}
	}
	year, month, day := digits(text[0:4]), digits(text[5:7]), digits(text[8:10])
	hour, minute, second := digits(text[11:13]), digits(text[14:16]), digits(text[17:19])
	t = time.Date(year, time.Month(month), day, hour, minute, second, digits(text[20:26])*1000, time.UTC)
	// What is out of its range comes out as another time.
	ok = t.Day() == day && t.Month() == time.Month(month) && hour < 24 && minute < 60 && second < 60 && !t.IsZero()
	return t, ok
}

func digits(text string) (n int) {
	for i := range len(text) {
		n = 10*n + int(text[i]-'0')
	}
	return n
}

// rawField reads a JSON value as it stands, by its brackets and strings alone: the
// value was checked before it was stored, and the chain vouches for its bytes since.
func (p *parser) rawField(name string) string {
	if !p.skip(name) {
		return ""
	}
	start, depth := p.at, 0
	for p.at < len(p.text) && p.err == nil {
		switch p.text[p.at] {
		case '"':
			p.at = max(p.stringEnd(), p.at)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 && p.at > start {
				return p.text[start:p.at]
			}
		}
		p.at++
	}
	p.fail("a value does not end")
	return ""
}

func (p *parser) hash() Hash {
	end := p.at + 2*len(Hash{})
	if p.err != nil || len(p.text) < end {
		p.fail("no hash")
		return Hash{}
	}
	h, err := ParseHash(p.text[p.at:end])
	if err != nil {
		p.fail("%v", err)
	}
	p.at = end
	return h
}

// ParseTime reads an RFC 3339 time, cut to the microsecond, in UTC. The zero time, and what is
// not within the years 0 to 9999 in UTC, can't be written and is refused.
func ParseTime(text string) (time.Time, error) {
	t, err := parseRFC3339(text)
	if err == nil && Truncate(t).IsZero() {
		return time.Time{}, outsideYears(text)
	}
	return Truncate(t), err
}

// ParseBound reads an RFC 3339 time that stored times are compared with, in UTC and never the zero time. It is
// rounded up to the microsecond, so that the same of them lie before it.
func ParseBound(text string) (time.Time, error) {
	t, err := parseRFC3339(text)
	if err != nil {
		return t, err
	}
	up := Truncate(t.Add(time.Microsecond - 1))
	switch {
	case up.IsZero():
		return up.Add(time.Microsecond), nil // nothing is stored with the zero time
	case up.Year() > 9999:
		return Truncate(t), nil
	}
	return up, nil
}

// parseRFC3339 reads a time that is within the years 0 to 9999 in UTC.
func parseRFC3339(text string) (t time.Time, err error) {
	upper := strings.ToUpper(text) // RFC 3339 allows t and z
	err = t.UnmarshalText([]byte(upper))
	if err != nil || len(text) < len("2006-01-02T15:04:05Z") || !strings.HasPrefix(upper[10:], "T") || text[13] != ':' || strings.Contains(text, ",") {
		return time.Time{}, fmt.Errorf("%q is not an RFC 3339 time such as 2026-11-22T20:49:00.123456Z", text)
	}
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return time.Time{}, outsideYears(text)
	}
	return t, nil
}

func outsideYears(text string) error {
	return fmt.Errorf("%q is outside the years that RFC 3339 can say", text)
}
