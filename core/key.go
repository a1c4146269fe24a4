package core

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	// maxEscaped is the most bytes of an escaped key that are used as they are: file
	// systems allow 255 in a name, and an adapter adds an ending.
	maxEscaped = 200
	// keptEscaped is how much of a longer one is kept before its hash.
	keptEscaped = 160
	// longMark stands between the two; no escaped key holds it otherwise.
	longMark = '~'
)

// EscapeKey turns any text into one that is a file name, a blob name's segment and a
// table's key everywhere, case-insensitive file systems included: a–z, 0–9, '-' and '_'
// stay, every other byte becomes %XX. Where that would exceed 200 bytes it is the first
// 160 or so of them, '~', and the SHA-256 of the text in hex; such a name can't be turned
// back, so who stores it keeps the key inside. Two texts never have the same escaped key.
func EscapeKey(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); i++ {
		if c := key[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	escaped := b.String()
	if len(escaped) <= maxEscaped {
		return escaped
	}
	sum := sha256.Sum256([]byte(key))
	return wholeEscapes(escaped) + string(longMark) + hex.EncodeToString(sum[:])[:maxEscaped-keptEscaped-1]
}

// wholeEscapes cuts an escaped key to at most keptEscaped bytes without splitting a %XX.
func wholeEscapes(escaped string) string {
	cut := keptEscaped
	if i := strings.LastIndexByte(escaped[:cut], '%'); i > cut-3 {
		cut = i
	}
	return escaped[:cut]
}

// EscapedPrefix is the text with which the escaped form of every key that begins with
// prefix begins. A longer prefix is cut, so keys must be compared too.
func EscapedPrefix(prefix string) string {
	escaped := EscapeKey(prefix)
	if i := strings.IndexByte(escaped, longMark); i >= 0 {
		return escaped[:i]
	}
	if len(escaped) > keptEscaped {
		return wholeEscapes(escaped)
	}
	return escaped
}

const upperHex = "0123456789ABCDEF"

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
