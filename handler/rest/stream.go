package rest

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strconv"

	"eventstore/core"
)

// streamLines answers events as NDJSON, one stored line after the other, up to the head.
func (a *api) streamLines(w http.ResponseWriter, r *http.Request, topic string, wanted selection) error {
	ctx, cancel := a.untilStopping(r)
	defer cancel()
	head, lines, err := a.Reader.StreamLines(ctx, topic, wanted.PageQuery)
	if err != nil {
		return err
	}
	out := newStream(w, typeNDJSON, head)
	for piece, err := range lines {
		if err != nil {
			return a.broken(ctx, r, out, err)
		}
		out.piece(piece)
		if out.err != nil {
			return nil // the client has gone
		}
	}
	out.flush()
	return nil
}

// broken ends a stream that failed. Before the first byte was sent it is a problem like any other; behind it
// the connection is cut, so that the client can't take what it has for all there is. A stream that its
// own time limit ends is whole as far as it went.
func (a *api) broken(ctx context.Context, r *http.Request, out *stream, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		out.flush()
		return nil
	}
	if !out.begun {
		return err
	}
	if ctx.Err() == nil {
		a.Log.ErrorContext(r.Context(), "a stream broke off", "path", r.URL.Path, "cause", err)
	}
	panic(http.ErrAbortHandler)
}

// stream writes events one by one. Its header is sent with the first bytes that leave its buffer.
type stream struct {
	w      http.ResponseWriter
	buffer *bufio.Writer
	begun  bool  // something was sent, so that it is too late for another answer
	err    error // the first error of writing; nothing is written after it
}

const streamBuffer = 64 << 10

func newStream(w http.ResponseWriter, media string, head core.Position) *stream {
	h := w.Header()
	h["Content-Type"] = []string{media}
	h["Event-Head"] = []string{strconv.FormatInt(int64(head), 10)}
	s := &stream{w: w}
	s.buffer = bufio.NewWriterSize(sending{s}, streamBuffer)
	return s
}

// sending takes what leaves a stream's buffer.
type sending struct{ *stream }

func (s sending) Write(b []byte) (int, error) {
	s.begun = true
	return s.w.Write(b)
}

// piece writes some of the stream; a large piece without copying it.
func (s *stream) piece(piece []byte) {
	if s.err == nil {
		_, s.err = s.buffer.Write(piece)
	}
}

func (s *stream) text(text string) {
	if s.err == nil {
		_, s.err = s.buffer.WriteString(text)
	}
}

// flush sends what was written, the header at least.
func (s *stream) flush() {
	s.begun = true
	if s.err == nil {
		s.err = s.buffer.Flush()
	}
	if s.err == nil {
		s.err = http.NewResponseController(s.w).Flush()
	}
}
