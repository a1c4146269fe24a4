package rest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"eventstore/core"
	"eventstore/core/commands"
)

// importLines appends the events of an application/x-ndjson body, one a line, in batches as they
// arrive.
func (a *api) importLines(w http.ResponseWriter, r *http.Request, topic string, head *core.Position) error {
	if head != nil {
		return invalidRequest("", "an import takes no condition, for it is not one append; publish the events as application/json")
	}
	lines := newLines(arriving{r.Body, w})
	imported, err := a.Publisher.Import(r.Context(), topic, lines.events())
	if err != nil {
		return importProblem(err, lines)
	}
	if imported.Stored+imported.Duplicates == 0 {
		return invalidRequest("", "the body has no events; an import has one on each line")
	}
	b := appendPlaces(make([]byte, 0, 200), imported.Topic, imported.First, imported.Last, imported.Head)
	b = strconv.AppendInt(append(b, `,"stored":`...), int64(imported.Stored), 10)
	b = strconv.AppendInt(append(b, `,"duplicates":`...), int64(imported.Duplicates), 10)
	return writeStored(w, imported.Topic, imported.First, imported.Head, imported.Stored == 0, append(b, '}', '\n'))
}

// importProblem tells the line that was wrong and how many events were stored.
func importProblem(err error, lines *lines) *problem {
	var failed *commands.ImportError
	if !errors.As(err, &failed) {
		return publishProblem(err, true)
	}
	p := *publishProblem(failed.Err, true)
	line, stored := lines.number(failed.Index), failed.Imported.Stored
	p.Line, p.Stored = &line, &stored
	place := fmt.Sprintf("events[%d].", failed.Index) // the line says it
	p.Detail = "line " + strconv.Itoa(line) + ": " + strings.TrimPrefix(p.Detail, place)
	return &p
}

// lines reads the events of an NDJSON body. Empty lines are passed over.
type lines struct {
	reader *bufio.Reader
	line   []byte
	blanks []blanks
	read   int // the number of events so far
}

// blanks are lines without an event that stand before the event at an index.
type blanks struct{ before, count int }

func newLines(body io.Reader) *lines {
	return &lines{reader: bufio.NewReaderSize(body, 64<<10)}
}

// number is the line, from 1, of the event at an index, or of one past the last.
func (l *lines) number(index int) int {
	number := index + 1
	for _, b := range l.blanks {
		if b.before <= index {
			number += b.count
		}
	}
	return number
}

// events yields each line's event; an error at most once, last.
func (l *lines) events() iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for {
			line, err := l.next()
			if errors.Is(err, io.EOF) {
				return
			}
			var event core.Event
			if err == nil {
				event, err = decodeLine(line)
			}
			if !yield(event, err) || err != nil {
				return
			}
			l.read++
		}
	}
}

func decodeLine(line []byte) (e core.Event, err error) {
	err = readJSON(line, func(c *cursor) error {
		e, err = c.event()
		return err
	})
	return e, err
}

// next is the next line that is not empty; io.EOF behind the last.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.readLine()
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return line, nil
		}
		l.blank()
	}
}

func (l *lines) blank() {
	if n := len(l.blanks); n > 0 && l.blanks[n-1].before == l.read {
		l.blanks[n-1].count++
		return
	}
	l.blanks = append(l.blanks, blanks{before: l.read, count: 1})
}

// readLine reads up to a newline or the body's proper end. A line whose end was cut off is none.
func (l *lines) readLine() ([]byte, error) {
	l.line = l.line[:0]
	for {
		part, err := l.reader.ReadSlice('\n')
		l.line = append(l.line, part...)
		switch {
		case len(l.line) > core.MaxRequestSize:
			return nil, &core.TooLargeError{Reason: fmt.Sprintf("a line of more than %d bytes", core.MaxRequestSize)}
		case err == nil, errors.Is(err, io.EOF) && len(l.line) > 0:
			return l.line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, core.Invalid("", "the body could not be read to its end")
		}
	}
}
