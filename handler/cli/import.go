package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"
)

const (
	// importEvents and importBytes are when a batch is sent: few enough that a repetition costs little.
	importEvents = 1_000
	importBytes  = 1 << 20
)

func importCommand(w World) *cobra.Command {
	c := asking(w, "import TOPIC [FILE…]", "publish events of NDJSON files, as export and query write them, in order", cobra.MinimumNArgs(1), (*talk).importFiles, topicNames)
	c.Long = `Publish the events of files (none, or -: of standard input), one a line, in batches, in order.

They keep ids, types, data, times and all that their publishers said; positions, recorded times and hashes are given anew
(handler restore stores an export unchanged, on the storage itself). Importing again, or after an interruption, is
harmless: what the topic has by its id is passed over.`
	return c
}

// imported is how far an import has come.
type imported struct {
	Topic      string `json:"topic"`
	First      int64  `json:"first,omitzero"`
	Last       int64  `json:"last,omitzero"`
	Head       int64  `json:"head"`
	Stored     int64  `json:"stored"`
	Duplicates int64  `json:"duplicates"`
}

func (t *talk) importFiles(args []string) error {
	total, files := imported{Topic: args[0]}, args[1:]
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if err := t.importFile(&total, name); err != nil {
			t.note("imported before that: %d events, %d of them known", total.Stored+total.Duplicates, total.Duplicates)
			return fmt.Errorf("importing %s: %w", name, err)
		}
	}
	text, err := json.Marshal(total)
	if err != nil {
		return err
	}
	return t.say(text)
}

func (t *talk) importFile(total *imported, name string) error {
	input, size, err := OpenInput(t.Stdin, name)
	if err != nil {
		return err
	}
	defer input.Close()
	b := &batch{talk: t, total: total, progress: NewProgress(t.Stderr, "importing", size)}
	defer b.progress.End()
	lines := bufio.NewReaderSize(input, 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if failed := b.add(number, line); failed != nil {
			return failed
		}
		if err != nil {
			return b.send()
		}
	}
}

// batch gathers lines.
type batch struct {
	*talk
	total    *imported
	progress *Progress
	body     []byte
	numbers  []int // of the lines
	read     int64
}

func (b *batch) add(number int, line []byte) error {
	b.read += int64(len(line))
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	event, err := publishable(line, true)
	if err != nil {
		if failed := b.send(); failed != nil { // what stands before it is stored, as it is when the instance finds an error
			return failed
		}
		return fmt.Errorf("line %d: %w", number, err)
	}
	b.body, b.numbers = append(append(b.body, event...), '\n'), append(b.numbers, number)
	if len(b.numbers) < importEvents && len(b.body) < importBytes {
		return nil
	}
	return b.send()
}

// send sends what is gathered, with its length, for the Functions host loses a body without.
func (b *batch) send() error {
	if len(b.numbers) == 0 {
		return nil
	}
	var answer []byte
	err := b.again(func() (err error) {
		answer, err = b.ask(b.ctx, http.MethodPost, topicPath(b.total.Topic, "events"), b.body, "Content-Type", "application/x-ndjson")
		return err
	})
	if err != nil {
		return b.located(err)
	}
	var sent imported
	if err := json.Unmarshal(answer, &sent); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	b.total.add(sent)
	b.body, b.numbers = b.body[:0], b.numbers[:0]
	b.progress.Done(b.read, fmt.Sprintf("%d events", b.total.Stored+b.total.Duplicates))
	return nil
}

// located tells the file's line where the instance told the batch's.
func (b *batch) located(err error) error {
	var p *Problem
	if !errors.As(err, &p) || p.Line == nil || *p.Line < 1 || *p.Line > len(b.numbers) {
		return err
	}
	if p.Stored != nil {
		b.total.Stored += int64(*p.Stored)
	}
	p.Detail = fmt.Sprintf("line %d: %s", b.numbers[*p.Line-1], strings.TrimPrefix(p.Detail, fmt.Sprintf("line %d: ", *p.Line)))
	return p
}

func (i *imported) add(sent imported) {
	if i.First == 0 || sent.First < i.First {
		i.First = sent.First
	}
	i.Last, i.Head = max(i.Last, sent.Last), max(i.Head, sent.Head)
	i.Stored, i.Duplicates = i.Stored+sent.Stored, i.Duplicates+sent.Duplicates
}
