package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"eventstore/core"
)

// cutTorn cuts what an interrupted append left behind the last whole request, and keeps it
// beside. What can't have been left by one is corruption, and stays.
func (l *Log) cutTorn(ctx context.Context, torn []byte) error {
	cutter, ok := l.files.(Cutter)
	err := errors.New("the log ends in the middle of a request, and appends are never torn here")
	if ok {
		err = l.checkTorn(torn)
	}
	if err != nil {
		return corrupt(l.end.name(), l.end.offset, l.end.head.Position+1, "%v", err)
	}
	kept, err := l.keep(ctx, torn)
	if err != nil {
		return fmt.Errorf("keeping what is cut from %s: %w", l.end.name(), err)
	}
	err = cutter.Cut(ctx, l.end.name(), l.end.offset, torn)
	if errors.Is(err, core.ErrConflict) {
		return nil // another process was faster: read again
	}
	if err != nil {
		return fmt.Errorf("cutting the torn end of %s: %w", l.end.name(), err)
	}
	l.options.Log.WarnContext(ctx, "cut a torn append", "segment", l.end.name(), "offset", l.end.offset, "bytes", len(torn), "kept", kept)
	return nil
}

// keep stores what is cut beside its segment. What was cut there before stays.
func (l *Log) keep(ctx context.Context, torn []byte) (name string, err error) {
	for n := 1; ; n++ {
		name = fmt.Sprintf("%s.cut-%d", l.end.name(), l.end.offset)
		if n > 1 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		if err = l.files.Create(ctx, name, torn); !errors.Is(err, core.ErrConflict) {
			return name, err
		}
		p := make([]byte, len(torn)+1)
		n, err := l.files.ReadAt(ctx, name, p, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return name, err
		}
		if bytes.Equal(p[:n], torn) {
			return name, nil
		}
	}
}

// checkTorn reports why what stands behind the last whole request can't be the beginning of an
// append that was interrupted: such a beginning is made of whole lines and a part of one, and
// behind it, where a power cut left the file longer than its data, of zero bytes. They may stand for no more than the
// last newline: no single bit that rots makes a zero of it.
func (l *Log) checkTorn(torn []byte) error {
	whole := bytes.LastIndexByte(torn, '\n') + 1
	chain, position := core.NewChain(l.end.head.Hash), l.end.head.Position
	for text := range bytes.Lines(torn[:whole]) {
		one, err := follows(chain, position, text[:len(text)-1])
		if err != nil {
			return err
		}
		position = one.position
	}
	rest := torn[whole:]
	if end := endedLine(chain, rest); end >= 0 && len(bytes.Trim(rest[end:], "\x00")) > 0 {
		return fmt.Errorf("a whole line is followed by %q, not by a newline", clip(rest[end:]))
	}
	part := bytes.TrimRight(rest, "\x00")
	if begins(part, fmt.Sprintf(`{"position":%d,"id":"`, position+1)) && bytes.IndexFunc(part, isControl) < 0 {
		return nil
	}
	if closing := closingLine(position + 1); whole == 0 && (bytes.HasPrefix(closing, part) || strings.HasPrefix(shutLine, string(part))) {
		return nil
	}
	return fmt.Errorf("%q is neither an event nor the beginning of one", clip(rest))
}

// endedLine is where in text a whole line ends that follows chain and has something behind it; -1
// when there is none.
func endedLine(chain *core.Chain, text []byte) int {
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(`"}`))
		if i < 0 || at+i+2 >= len(text) {
			return -1
		}
		at += i + 2
		if chain.Next(text[:at]) == nil {
			return at
		}
	}
}

// begins reports whether part begins with opening, as far as it goes.
func begins(part []byte, opening string) bool {
	n := min(len(part), len(opening))
	return string(part[:n]) == opening[:n]
}

func isControl(r rune) bool { return r < 0x20 }
