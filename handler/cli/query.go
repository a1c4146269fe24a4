package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// cutTime is a little less than the time after which an instance in Azure ends a stream.
const cutTime = 150 * time.Second

func queryCommand(w World) *cobra.Command {
	c := asking(w, "query TOPIC", "write a topic's events, one a line", cobra.ExactArgs(1), (*talk).query, topicNames)
	filterFlags(c)
	c.Flags().Bool("backward", false, "the last first")
	c.Flags().String("since", "", "events recorded at this `time` or later, such as 2026-11-22T20:49:00Z")
	c.Flags().String("until", "", "events recorded before this `time`")
	c.Flags().Int64("wait", 0, "the `seconds`, up to 60, to wait for a first event when there is none")
	return c
}

func (t *talk) query(args []string) error {
	s, err := t.selection(args[0])
	if err != nil {
		return err
	}
	s.backward, s.since, s.until, s.wait = t.is("backward"), t.text("since"), t.text("until"), t.number("wait")
	r := &reading{talk: t, selection: s}
	for !r.done {
		began := r.from
		if err := t.again(r.read); err != nil && (r.from == began || !transient(err)) {
			return err
		}
	}
	return nil
}

// reading is a query under way. What was written is never asked for again.
type reading struct {
	*talk
	selection
	done bool
}

// read reads what is left. An error that may pass leaves it where the next call goes on.
func (r *reading) read() error {
	begun := time.Now()
	answer, err := r.open(r.ctx, r.client, "application/x-ndjson")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	head, err := strconv.ParseInt(answer.Header.Get("Event-Head"), 10, 64)
	if err != nil {
		return &Problem{Status: answer.StatusCode, Detail: r.url + " is no event store: it answers no Event-Head"}
	}
	lines := lineReader(answer)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return fmt.Errorf("reading from %s: %w", r.url, err)
		}
		if err := r.write(line); err != nil {
			return &failure{err}
		}
		if r.done {
			return nil
		}
	}
	// Azure ends a stream after a time, as if it were whole: what is behind it is asked for anew.
	r.done = time.Since(begun) < cutTime || r.backward || r.from > head
	return nil
}

// write writes an event and moves on behind it.
func (r *reading) write(line []byte) error {
	position, err := positionOf(line)
	if err != nil {
		return err
	}
	if err := r.say(line); err != nil {
		return err
	}
	r.wait = 0
	if r.from = position + 1; r.backward {
		r.from = position - 1
		r.done = r.from == 0
	}
	if r.limit > 0 {
		r.limit--
		r.done = r.done || r.limit == 0
	}
	return nil
}

// failure is an error that trying again does not mend.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }
