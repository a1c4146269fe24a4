package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// silence is how long a live stream may say nothing, which an instance never does for more than 15 s.
const silence = time.Minute

func tailCommand(w World) *cobra.Command {
	c := asking(w, "tail TOPIC", "follow a topic live, from its head on or from a position; Ctrl-C ends it", cobra.ExactArgs(1), (*talk).tail, topicNames)
	filterFlags(c)
	return c
}

// tail writes events as they come. A connection that is cut is made again behind the last event that was written, so
// that none is missing and none comes twice.
func (t *talk) tail(args []string) error {
	s, err := t.selection(args[0])
	if err != nil {
		return err
	}
	if s.from == 0 {
		if s.from, err = t.behindHead(args[0]); err != nil {
			return err
		}
	}
	f := &following{reading: reading{talk: t, selection: s}}
	for attempt := 1; !f.done; attempt++ {
		began := f.from
		err := f.follow()
		switch {
		case f.done || stopped(t.ctx, err) || t.ctx.Err() != nil:
			return nil
		case err != nil && (!transient(err) || !f.connected):
			return err
		case err != nil:
			t.note("%v; trying again", err)
		}
		if f.from != began || err == nil {
			attempt = 1
		}
		if !rest(t.ctx, pause(attempt, err)) {
			return nil
		}
	}
	return nil
}

// behindHead is the position behind a topic's last event.
func (t *talk) behindHead(topic string) (int64, error) {
	answer, err := t.send(t.ctx, http.MethodHead, topicPath(topic, "events"), nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	head, err := strconv.ParseInt(strings.Trim(answer.Header.Get("ETag"), `"`), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no event store: it answers no head as ETag", t.url)
	}
	return head + 1, nil
}

// following is a tail under way.
type following struct {
	reading
	connected bool // once at least
}

// follow follows one connection until it ends, which is no error, or breaks.
func (f *following) follow() error {
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	answer, err := f.open(ctx, f.client, "text/event-stream")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	f.connected = true
	watch := time.AfterFunc(silence, func() { cancel(fmt.Errorf("%s said nothing for %s", f.url, silence)) })
	defer watch.Stop()
	lines := lineReader(answer)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return f.ended(ctx)
		}
		watch.Reset(silence)
		event, isEvent := bytes.CutPrefix(line, []byte("data: "))
		if !isEvent {
			continue
		}
		if err := f.write(event); err != nil {
			return &failure{err}
		}
		if f.done {
			return nil
		}
	}
}

// ended is the error of a connection that was cut. One that the instance ended is none: it goes on anew.
func (f *following) ended(ctx context.Context) error {
	if f.ctx.Err() == nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return f.ctx.Err()
}
