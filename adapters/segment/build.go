package segment

import (
	"context"
	"fmt"
	"iter"

	"eventstore/core"
)

// Indexed is a closed segment as [BuildIndex] is told of it.
type Indexed struct {
	First core.Position
	Size  int64     // with its closing line
	Head  core.Head // as it was when the segment was closed
	// Lines are its events' lines, without newlines, and the offsets at which they begin.
	Lines iter.Seq2[int64, []byte]
}

// BuildIndex writes the indexes of the log with that identity from nothing but what it is told, in
// place of those that are there. The segments follow each other from position 1 on; whether
// they are in files is not looked at, so that a test may hold an index of a size that no test can
// write a log of. Use [Log.Maintain] for a log's own.
func BuildIndex(ctx context.Context, files Files, id string, segments iter.Seq[Indexed]) error {
	keyer, m := newKeyer(id), &manifest{}
	for s := range segments {
		recent := new(recent)
		for offset, text := range s.Lines {
			l, ok := scanLine(text)
			if !ok {
				return fmt.Errorf("%w: %q is not an event", core.ErrCorrupt, clip(text))
			}
			recent.add(keyer, offset, l)
		}
		r, err := recent.write(ctx, files, len(m.segments))
		if err != nil {
			return err
		}
		facts := segmentFacts{first: s.First, next: s.Head.Position + 1, size: s.Size, hash: s.Head.Hash, recorded: s.Head.Recorded}
		if m, err = m.with(ctx, files, facts, r); err != nil {
			return err
		}
		if err := removeAll(ctx, files, m.retired); err != nil {
			return err
		}
		m.retired = nil
	}
	if err := files.Put(ctx, manifestName, m.encode(id)); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}
