package queries

import (
	"context"
	"fmt"
	"iter"

	"eventstore/core"
	"eventstore/core/topics"
)

// pieceSize is about how many bytes a piece has that is made of events.
const pieceSize = 64 << 10

// lines reads a query's events as lines, with the topic's name in an error.
func lines(ctx context.Context, t *topics.Topic, q core.Query) iter.Seq2[[]byte, error] {
	reader, ok := t.Log.(core.LineReader)
	if !ok {
		return joined(events(ctx, t, q))
	}
	return func(yield func([]byte, error) bool) {
		for piece, err := range reader.ReadLines(ctx, q) {
			if err != nil {
				err = fmt.Errorf("reading topic %q: %w", t.Name, err)
			}
			if !yield(piece, err) || err != nil {
				return
			}
		}
	}
}

// joined are the lines of events, put together. What was read before an error comes before it.
func joined(events iter.Seq2[core.Event, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var piece []byte
		for e, err := range events {
			if err != nil {
				if len(piece) == 0 || yield(piece, nil) {
					yield(nil, err)
				}
				return
			}
			piece = append(append(piece, e.Line()...), '\n')
			if len(piece) < pieceSize {
				continue
			}
			if !yield(piece, nil) {
				return
			}
			piece = piece[:0]
		}
		if len(piece) > 0 {
			yield(piece, nil)
		}
	}
}
