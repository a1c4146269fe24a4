package rest

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/queries"
)

// streamEvents answers text/event-stream: the events from a position on, and then live.
func (a *api) streamEvents(w http.ResponseWriter, r *http.Request, topic string, wanted selection) error {
	if err := wanted.resume(r.Header); err != nil {
		return err
	}
	ctx, cancel := a.untilStopping(r)
	defer cancel()
	head, events, err := a.live(ctx, r, topic, wanted)
	if err != nil {
		return err
	}
	out := &eventStream{stream: newStream(w, typeStream, head), head: head}
	out.begin("retry: 1000\n\n")
	defer out.end()
	for event, err := range events {
		if err != nil && ctx.Err() == nil {
			a.Log.Log(ctx, levelOf(problemOf(err), err), "an event stream broke off", "path", r.URL.Path, "cause", err)
		}
		if err != nil || !out.event(&event) {
			return nil // the client, if it is there, comes back behind the last event it has
		}
	}
	return nil
}

// live follows the topic; where the host buffers the answer it reads up to the head, or waits a while.
func (a *api) live(ctx context.Context, r *http.Request, topic string, wanted selection) (core.Position, iter.Seq2[core.Event, error], error) {
	if a.UnderHost && r.Header.Get("X-Forwarded-Host") == "" {
		return a.Reader.Stream(ctx, topic, queries.PageQuery{Query: wanted.Query, Wait: bufferedWait})
	}
	return a.Reader.Follow(ctx, topic, wanted.Query)
}

// resume begins behind the last event that a client which comes back has seen.
func (s *selection) resume(header http.Header) error {
	switch {
	case s.Backward:
		return invalidRequest("direction", "backward is not for an event stream, which goes on live")
	case s.Wait > 0:
		return invalidRequest("wait", "is not for an event stream, which waits by itself")
	}
	text := header.Get("Last-Event-ID")
	if text == "" {
		return nil
	}
	last, err := strconv.ParseInt(text, 10, 64)
	if err != nil || last < 0 || last == int64(core.MaxPosition) {
		return invalidRequest("the header Last-Event-ID", quoted(clip(text))+" is not the id of an event of such a stream")
	}
	s.From = core.Position(last) + 1
	return nil
}

// eventStream is a stream that sends what it has soon, and a comment when it has nothing for long.
type eventStream struct {
	head core.Position // the head when the stream began: events from there on are live

	mu     sync.Mutex
	stream *stream     // guarded by mu
	timer  *time.Timer // guarded by mu; sends what is unsent, or a comment
	unsent bool        // guarded by mu; something was written and not flushed
	ended  bool        // guarded by mu; nothing may be written any more
}

// soon is the longest that an event of a long catch-up stays in the buffer.
const soon = 50 * time.Millisecond

// begin sends the header and the first text.
func (s *eventStream) begin(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(heartbeat, s.tick)
	s.stream.text(text)
	s.send()
}

// event writes an event. It reports whether the client is still there.
func (s *eventStream) event(e *core.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range []string{"id: ", strconv.FormatInt(int64(e.Position), 10), "\nevent: ", e.Type, "\ndata: ", e.Line(), "\n\n"} {
		s.stream.text(text)
	}
	switch {
	case e.Position >= s.head:
		s.send()
	case !s.unsent:
		s.unsent = true
		s.timer.Reset(soon)
	}
	return s.stream.err == nil
}

// send flushes; mu is held.
func (s *eventStream) send() {
	s.stream.flush()
	s.unsent = false
	s.timer.Reset(heartbeat)
}

func (s *eventStream) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if !s.unsent {
		s.stream.text(": still here\n\n")
	}
	s.send()
}

// end sends the rest. Nothing is written afterwards.
func (s *eventStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send()
	s.ended = true
	s.timer.Stop()
}
