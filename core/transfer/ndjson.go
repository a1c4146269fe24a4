package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"eventstore/core"
)

// maxLine is the longest line there can be: an event of the largest size, whose escapes were
// counted, with what the store adds.
const maxLine = core.MaxEventSize + 64<<10

// Export writes a log's events as NDJSON, one stored line each, from position `from` (0: the
// first) up to its head when the reading began. It returns the last position written.
func Export(ctx context.Context, log core.Log, from core.Position, w io.Writer) (core.Position, error) {
	out, last := bufio.NewWriterSize(w, 1<<20), core.Position(0)
	for e, err := range log.Read(ctx, core.Query{From: from}) {
		if err != nil {
			return last, errors.Join(fmt.Errorf("reading behind position %d: %w", last, err), out.Flush())
		}
		if _, err := out.WriteString(e.Line() + "\n"); err != nil {
			return last, fmt.Errorf("writing position %d: %w", e.Position, err)
		}
		last = e.Position
	}
	return last, out.Flush()
}

// Lines reads what [Export] wrote, or a segment as it is: closing lines are passed over. A line
// that is no event's is an error, told with its number.
func Lines(r io.Reader) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 64<<10), maxLine)
		for n := 1; lines.Scan(); n++ {
			text := lines.Text()
			if len(text) > 10 && text[:10] == `{"closed":` {
				continue
			}
			e, err := core.ParseLine(text)
			if err != nil {
				yield(core.Event{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(core.Event{}, err)
		}
	}
}
