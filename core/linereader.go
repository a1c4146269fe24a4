package core

import (
	"context"
	"iter"
)

// A LineReader is a Log that has its events as lines, and can hand these out without taking each
// of them apart: for who answers them as they are.
type LineReader interface {
	// ReadLines yields what [Log.Read] yields for q, as the stored lines, each with a newline behind it:
	// in pieces of whole lines, which together are the same bytes. A piece is good, and may be
	// written over, until the next is asked for. Corruption is found as Read finds it: each line is
	// checked to be whole, at its position and chained to the one before, and is served only then.
	// It yields an error at most once, last.
	ReadLines(ctx context.Context, q Query) iter.Seq2[[]byte, error]
}
