package core

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep arrays and objects may be nested in a JSON text.
const MaxDepth = 128

// CheckDepth refuses JSON nested beyond [MaxDepth]. It counts brackets outside strings, so
// it may be asked before the text is known to be valid.
func CheckDepth(text []byte) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("JSON nested more than %d deep, at byte %d", MaxDepth, i)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// CompactJSON checks one JSON text as strictly as everything is read here (no duplicate keys,
// invalid UTF-8, lone surrogates, deep nesting or anything after the value) and returns it
// without its insignificant white space; numbers, key order and escapes stay as they were.
func CompactJSON(text []byte) (string, error) {
	if err := CheckDepth(text); err != nil {
		return "", err
	}
	decoder := jsontext.NewDecoder(strings.NewReader(string(text)))
	value, err := decoder.ReadValue()
	if err != nil {
		return "", err
	}
	value = value.Clone()
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("something follows the JSON value")
	}
	if err := value.Compact(); err != nil {
		return "", err
	}
	return string(value), nil
}
