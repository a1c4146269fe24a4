package projections

import (
	"fmt"
	"strconv"
	"strings"

	"eventstore/core"
)

// A stored document is `{"at":{"orders":42},"value":…}`: the positions, per topic, that it reflects, and its value; without a value
// it is a tombstone, which keeps a deleted document from being made again by an old event.

// collectionOf is where a version's documents are. A name has no '/', so no two versions share one.
func collectionOf(name string, version int) string {
	return fmt.Sprintf("projections/%s/%d", name, version)
}

// encodeStored writes a document. at is by the place of a topic in topics.
func encodeStored(topics []string, at []core.Position, text string) []byte {
	b := make([]byte, 0, len(text)+32+32*len(topics))
	b = append(b, `{"at":{`...)
	for i, topic := range topics {
		if i > 0 {
			b = append(b, ',')
		}
		b = core.AppendString(b, topic)
		b = strconv.AppendInt(append(b, ':'), int64(at[i]), 10)
	}
	b = append(b, '}')
	if text != "" {
		b = append(append(b, `,"value":`...), text...)
	}
	return append(b, '}')
}

// decodeStored reads what encodeStored wrote. Topics' names need no escapes, so their quotes and braces are only ours.
func decodeStored(topics []string, stored []byte) (at []core.Position, text string, err error) {
	rest, ok := strings.CutPrefix(string(stored), `{"at":{`)
	positions, rest, found := strings.Cut(rest, "}")
	if !ok || !found || !strings.HasSuffix(rest, "}") {
		return nil, "", fmt.Errorf("%w: a document of a projection is not as it was written", core.ErrCorrupt)
	}
	at = make([]core.Position, len(topics))
	for pair := range strings.SplitSeq(positions, ",") {
		name, number, _ := strings.Cut(pair, ":")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, "", fmt.Errorf("%w: a document of a projection has no position: %w", core.ErrCorrupt, err)
		}
		for i, topic := range topics {
			if name == `"`+topic+`"` {
				at[i] = core.Position(n)
			}
		}
	}
	text = strings.TrimPrefix(rest[:len(rest)-1], `,"value":`)
	return at, text, nil
}
