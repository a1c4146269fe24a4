package rest

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"eventstore/core"
)

// cursor walks one JSON text of a request, token by token, as strictly as API.md says: no duplicate
// keys, invalid UTF-8, lone surrogates, deep nesting, or anything after the value. Errors are
// [core.InvalidError]s with the place of the offending value, such as events[3].type.
type cursor struct {
	text    string // the whole text; what is read from it are parts of it, without copying
	root    string // what the place of a value begins with: "events" where the text is an array of them
	decoder *jsontext.Decoder
}

var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// readJSON has read walk the one value of a JSON text, and checks that nothing follows it.
func readJSON(body []byte, read func(*cursor) error) error {
	if err := core.CheckDepth(body); err != nil {
		return core.Invalid("", "%v", err)
	}
	decoder := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(decoder)
	decoder.Reset(bytes.NewBuffer(body))
	c := cursor{text: string(body), decoder: decoder}
	if err := read(&c); err != nil {
		return err
	}
	end := decoder.InputOffset()
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return core.Invalid("", "something follows the JSON value, at byte %d", end)
	}
	return nil
}

// kind is that of the next value: '{', '[', '"', '0', 't', 'f' or 'n'; another one is a
// syntax error, which the next read tells.
func (c *cursor) kind() jsontext.Kind { return c.decoder.PeekKind() }

// object has field read the value of each member of the next value, an object. With an unknown
// name field returns c.unknown.
func (c *cursor) object(field func(name string) error) error {
	if err := c.open('{'); err != nil {
		return err
	}
	for c.kind() != '}' {
		name, err := c.name()
		if err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
	}
	return c.close()
}

// array has item read each element of the next value, an array.
func (c *cursor) array(item func(i int) error) error {
	if err := c.open('['); err != nil {
		return err
	}
	for i := 0; c.kind() != ']'; i++ {
		if err := item(i); err != nil {
			return err
		}
	}
	return c.close()
}

func (c *cursor) open(kind jsontext.Kind) error {
	if found := c.kind(); found != kind && found != jsontext.KindInvalid {
		return c.wrongType(kind)
	}
	_, err := c.decoder.ReadToken()
	return c.syntax(err)
}

func (c *cursor) close() error {
	_, err := c.decoder.ReadToken()
	return c.syntax(err)
}

// name reads the name of a member.
func (c *cursor) name() (string, error) {
	raw, err := c.decoder.ReadValue()
	if err != nil {
		return "", c.syntax(err)
	}
	return c.unquote(raw), nil
}

// string reads a string, which may be empty.
func (c *cursor) string() (string, error) {
	if kind := c.kind(); kind != '"' && kind != jsontext.KindInvalid {
		return "", c.wrongType('"')
	}
	raw, err := c.decoder.ReadValue()
	if err != nil {
		return "", c.syntax(err)
	}
	return c.unquote(raw), nil
}

// filled reads a string that is not empty.
func (c *cursor) filled() (string, error) {
	text, err := c.string()
	if err == nil && text == "" {
		return "", c.invalid("is empty; leave it out, or give it a value")
	}
	return text, err
}

// filledStrings reads an array of strings that are not empty. An empty array is nil.
func (c *cursor) filledStrings() (texts []string, err error) {
	err = c.array(func(int) error {
		text, err := c.filled()
		texts = append(texts, text)
		return err
	})
	return texts, err
}

// integer reads a whole number that is at least least.
func (c *cursor) integer(least int64) (int64, error) {
	if kind := c.kind(); kind != '0' && kind != jsontext.KindInvalid {
		return 0, c.wrongType('0')
	}
	raw, err := c.decoder.ReadValue()
	if err != nil {
		return 0, c.syntax(err)
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < least {
		return 0, c.invalid("%s is not a whole number from %d to %d", clip(string(raw)), least, core.MaxPosition)
	}
	return n, nil
}

// value reads any value and returns it as it stands, but for insignificant white space.
func (c *cursor) value() (string, error) {
	raw, err := c.decoder.ReadValue()
	if err != nil {
		return "", c.syntax(err)
	}
	return compact(c.part(raw)), nil
}

// part is the same bytes as raw, the value that was just read, as a part of the text.
func (c *cursor) part(raw []byte) string {
	end := int(c.decoder.InputOffset())
	return c.text[end-len(raw) : end]
}

func (c *cursor) unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		quoted := c.part(raw)
		return quoted[1 : len(quoted)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // it was found valid when it was read
	return string(text)
}

// compact leaves out the white space between the tokens of a valid JSON text.
func compact(text string) string {
	first := nextSpace(text, 0)
	if first == len(text) {
		return text
	}
	b := make([]byte, 0, len(text))
	for start, space := 0, first; start < len(text); space = nextSpace(text, start) {
		b = append(b, text[start:space]...)
		start = space + 1
	}
	return string(b)
}

// nextSpace is the offset of the first white space outside strings at or after at, which is outside
// strings itself; else the text's length.
func nextSpace(text string, at int) int {
	for ; at < len(text); at++ {
		switch text[at] {
		case ' ', '\t', '\r', '\n':
			return at
		case '"':
			for at++; text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		}
	}
	return len(text)
}

// invalid is an error about the value, or name, that was read last.
func (c *cursor) invalid(format string, args ...any) error {
	return core.Invalid(c.place(c.decoder.StackPointer()), format, args...)
}

// unknown is the error for the name that was read last.
func (c *cursor) unknown(of, known string) error {
	return c.invalid("is not a field of %s; those are %s", of, known)
}

var kindNames = map[jsontext.Kind]string{
	'{': "an object", '[': "an array", '"': "a string", '0': "a number", 't': "true", 'f': "false", 'n': "null",
}

// wrongType is the error for the next value, which is not of the kind wanted. It reads the value's
// first token, so that the place is its own.
func (c *cursor) wrongType(want jsontext.Kind) error {
	found := c.kind()
	if _, err := c.decoder.ReadToken(); err != nil {
		return c.syntax(err)
	}
	pointer := c.decoder.StackPointer()
	return core.Invalid(c.place(pointer), "is %s; %s is wanted", kindNames[found], kindNames[want])
}

// syntax gives what the decoder found wrong in this package's words.
func (c *cursor) syntax(err error) error {
	var syntactic *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && len(strings.TrimSpace(c.text)) == 0:
		return core.Invalid("", "the body is empty; a JSON value is wanted")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return core.Invalid("", "the JSON ends in its middle, at byte %d", len(c.text))
	case strings.HasPrefix(c.text, "\x1f\x8b"):
		return core.Invalid("", "the body is compressed; send it as it is, without a Content-Encoding")
	case errors.As(err, &syntactic):
		return core.Invalid(c.place(syntactic.JSONPointer), "%s, at byte %d", reasonOf(syntactic.Err), syntactic.ByteOffset)
	}
	return core.Invalid("", "%v", err)
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "is there twice"
	case strings.HasPrefix(err.Error(), "invalid surrogate pair"):
		return "a string has a lone surrogate"
	}
	return err.Error()
}

// place writes a JSON pointer as places are written here: /events/3/type is events[3].type.
func (c *cursor) place(pointer jsontext.Pointer) string {
	place := c.root
	for token := range pointer.Tokens() {
		switch _, err := strconv.ParseUint(token, 10, 32); {
		case err == nil:
			place += "[" + token + "]"
		case token == "":
			place += `[""]`
		case place == "":
			place = clip(token)
		default:
			place += "." + clip(token)
		}
	}
	return place
}

// clip shortens what a client sent, for a message.
func clip(text string) string { return clipTo(text, 80) }

func clipTo(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}
