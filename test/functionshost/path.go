package functionshost

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// template is an ASP.NET route template: literals, {name}, and last {name?} or {*name}.
type template []segment

type segment struct {
	literal  string // "" for a parameter
	optional bool
	rest     bool // a catch-all
}

func parseTemplate(text string) (template, error) {
	var t template
	parts := strings.Split(text, "/")
	for i, part := range parts {
		s := segment{literal: part}
		if name, is := strings.CutPrefix(part, "{"); is {
			s.literal = ""
			name, s.optional = strings.CutSuffix(strings.TrimSuffix(name, "}"), "?")
			name, s.rest = strings.CutPrefix(name, "*")
			if name == "" || strings.ContainsAny(name, ":=*{}?") || !strings.HasSuffix(part, "}") {
				return nil, fmt.Errorf("route %q: %q is not imitated here", text, part)
			}
		} else if part == "" || strings.ContainsAny(part, "{}?*") {
			return nil, fmt.Errorf("route %q: %q is not a segment", text, part)
		}
		if (s.optional || s.rest) && i < len(parts)-1 {
			return nil, fmt.Errorf("route %q: %q must be last", text, part)
		}
		t = append(t, s)
	}
	if first := t[0].literal; strings.EqualFold(first, "admin") || strings.EqualFold(first, "runtime") {
		return nil, fmt.Errorf("route %q can't be reached: the host keeps /%s to itself", text, first)
	}
	return t, nil
}

// match reports whether a decoded path fits. Literals are compared without case, and one
// slash at the end does not count.
func (t template) match(decoded string) bool {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(decoded, "/"), "/"), "/")
	for i, s := range t {
		switch {
		case s.rest:
			return true
		case i >= len(segments):
			return s.optional
		case segments[i] == "" || s.literal != "" && !strings.EqualFold(s.literal, segments[i]):
			return false
		}
	}
	return len(segments) == len(t)
}

var errPath = errors.New("the server refuses this path")

// decodePath decodes a path as the host's web server does: every escape but %2F, and those
// that make no UTF-8; then it takes out "." and "..", also where they were escaped. A NUL is refused.
func decodePath(raw string) (string, error) {
	var decoded strings.Builder
	for i := 0; i < len(raw); {
		end := i
		for end+2 < len(raw) && raw[end] == '%' {
			end += 3
		}
		if end == i {
			decoded.WriteByte(raw[i])
			i++
			continue
		}
		decoded.WriteString(decodeRun(raw[i:end]))
		i = end
	}
	if strings.ContainsRune(decoded.String(), 0) {
		return "", errPath
	}
	return removeDots(decoded.String()), nil
}

// decodeRun decodes escapes that stand one after the other.
func decodeRun(run string) string {
	const keep = "%2F"
	slashes := strings.Split(strings.ReplaceAll(run, "%2f", keep), keep)
	for i, part := range slashes {
		if text, err := url.PathUnescape(part); err == nil && utf8.ValidString(text) {
			slashes[i] = text
		}
	}
	return strings.Join(slashes, keep)
}

func removeDots(decoded string) string {
	if !strings.Contains(decoded, "/.") {
		return decoded
	}
	cleaned := path.Clean("/" + decoded)
	if strings.HasSuffix(decoded, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

// encodePath writes a decoded path into a URL again, as the host does: what looks like an
// escape is left alone, so that %25xx loses a level, and ? and # are not escaped.
func encodePath(decoded string) string {
	return escape(decoded, "-._~!$&'()*+,;=:@/?#%")
}

// escape writes as %XX all that is not a letter, a digit or of keep. A % of keep stays
// where it begins an escape.
func escape(text, keep string) string {
	var out strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c != '%' && strings.IndexByte(keep, c) >= 0,
			c == '%' && strings.Contains(keep, "%") && isEscape(text[i:]):
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func isEscape(text string) bool {
	if len(text) < 3 {
		return false
	}
	_, err := url.PathUnescape(text[:3])
	return err == nil
}
