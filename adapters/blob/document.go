package blob

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/go-json-experiment/json"

	"eventstore/core"
)

// documentHead is the first line of a document's blob, before the value's bytes.
type documentHead struct {
	Key    string `json:"key"`
	Write  string `json:"write"`  // a random id, by which a write whose answer was lost is known again
	Length int    `json:"length"` // of the value
	Sum    string `json:"crc32c"` // of key, write and value
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func documentSum(key, id string, value []byte) string {
	sum := crc32.Checksum([]byte(key), castagnoli)
	sum = crc32.Update(sum, castagnoli, []byte(id))
	return fmt.Sprintf("%08x", crc32.Update(sum, castagnoli, value))
}

// formatDocument is what a document's blob holds.
func formatDocument(key, id string, value []byte) []byte {
	b := core.AppendString([]byte(`{"key":`), key)
	b = core.AppendString(append(b, `,"write":`...), id)
	b = fmt.Appendf(b, `,"length":%d,"crc32c":"%s"}`+"\n", len(value), documentSum(key, id, value))
	return append(b, value...)
}

// parseDocument takes a document's blob apart, and checks it.
func parseDocument(data []byte) (head documentHead, value []byte, err error) {
	line, value, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return head, nil, errors.New("its first line does not end")
	}
	if err := json.Unmarshal(line, &head, json.RejectUnknownMembers(true)); err != nil {
		return head, nil, errors.New("its first line is not a document's head")
	}
	if len(value) != head.Length {
		return head, nil, fmt.Errorf("its value has %d bytes, not %d", len(value), head.Length)
	}
	if sum := documentSum(head.Key, head.Write, value); sum != head.Sum {
		return head, nil, fmt.Errorf("its checksum is %s, not %s", sum, head.Sum)
	}
	return head, value, nil
}
