package javascript

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eventstore/core"
)

// What a definition sees of an event besides its position, id, type, source and times. The numbers are driver.js's.
const (
	hasSubject = 1 << iota
	hasTags
	hasMore
	hasContentType
	hasData
	hasBase64
	hasMetadata
)

// columns are the events of a batch, field by field, so that a sandbox need not parse the names and the texts that
// repeat. Times, hashes and data cross apart: they are of fixed size, or JSON already.
type columns struct {
	positions, ids, kinds, sources, contentTypes, has []byte
	texts, subjects, tags, base64, metadata           []byte
	times, hashes, datas                              []byte
	known                                             map[string]int
}

func encode(events []core.Event) *columns {
	c := &columns{known: map[string]int{}}
	for i := range events {
		c.add(&events[i])
	}
	return c
}

func (c *columns) add(e *core.Event) {
	c.positions = strconv.AppendInt(append(c.positions, ','), int64(e.Position), 10)
	c.ids = core.AppendString(append(c.ids, ','), e.ID)
	c.kinds = c.text(c.kinds, e.Type)
	c.sources = c.text(c.sources, e.Source)
	c.contentTypes = c.text(c.contentTypes, e.DataContentType)
	c.times = append(append(c.times, core.FormatTime(e.Time)...), core.FormatTime(e.Recorded)...)
	c.hashes = append(c.hashes, e.Hash.String()...)
	has := 0
	if e.Subject != "" {
		has |= hasSubject
		c.subjects = core.AppendString(append(c.subjects, ','), e.Subject)
	}
	if len(e.Tags) > 0 {
		has |= hasTags
		c.tags = appendTexts(append(c.tags, ','), e.Tags)
	}
	if e.More {
		has |= hasMore
	}
	if e.DataContentType != "" {
		has |= hasContentType
	}
	if e.Data != "" {
		has |= hasData
		c.datas = append(append(c.datas, ','), e.Data...)
	}
	if e.DataBase64 != "" {
		has |= hasBase64
		c.base64 = core.AppendString(append(c.base64, ','), e.DataBase64)
	}
	if e.Metadata != "" {
		has |= hasMetadata
		c.metadata = append(append(c.metadata, ','), e.Metadata...)
	}
	c.has = strconv.AppendInt(append(c.has, ','), int64(has), 10)
}

// text appends the number of a text that is likely to come again.
func (c *columns) text(column []byte, text string) []byte {
	n, ok := c.known[text]
	if !ok {
		n = len(c.known)
		c.known[text] = n
		c.texts = core.AppendString(append(c.texts, ','), text)
	}
	return strconv.AppendInt(append(column, ','), int64(n), 10)
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = core.AppendString(b, text)
	}
	return append(b, ']')
}

// array is a column as a JSON array: each value has a comma before it.
func array(column []byte) []byte {
	if len(column) == 0 {
		return []byte("[]")
	}
	return append(append([]byte{'['}, column[1:]...), ']')
}

func (c *columns) json() string {
	var b strings.Builder
	for i, column := range []struct {
		name   string
		values []byte
	}{
		{"position", c.positions}, {"id", c.ids}, {"type", c.kinds}, {"source", c.sources}, {"contentType", c.contentTypes}, {"has", c.has},
		{"texts", c.texts}, {"subject", c.subjects}, {"tags", c.tags}, {"base64", c.base64}, {"metadata", c.metadata},
	} {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(strconv.Quote(column.name) + ":")
		b.Write(array(column.values))
	}
	return b.String() + "}"
}

// load gives the sandbox a batch of events, behind those it has if more.
func (b *sandbox) load(ctx context.Context, events []core.Event, more bool) error {
	c := encode(events)
	_, err := b.call(ctx, b.loadFn, c.json(), string(c.times), string(c.hashes), string(array(c.datas)), more)
	return err
}

// keys tells the keys of each loaded event.
func (b *sandbox) keys(ctx context.Context, events int) ([][]string, error) {
	text, err := b.call(ctx, b.keysFn)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Keys   []string `json:"keys"`
		Counts []int    `json:"counts"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "K")), &answer); err != nil || len(answer.Counts) != events {
		return nil, fmt.Errorf("the sandbox told keys of %d events, not of %d: %w", len(answer.Counts), events, err)
	}
	all := make([][]string, events)
	for i, n := range answer.Counts {
		all[i], answer.Keys = answer.Keys[:n:n], answer.Keys[n:]
	}
	return all, nil
}

// folded is what a call to fold answers for one document.
type folded struct {
	text  string
	state byte // 'v' a value, 'd' deleted, 'n' never was
}

// fold takes steps over loaded events and documents.
func (b *sandbox) fold(ctx context.Context, steps [][2]int, documents []string) ([]folded, error) {
	order := []byte{}
	for _, step := range steps {
		order = strconv.AppendInt(append(order, ','), int64(step[0]), 10)
		order = strconv.AppendInt(append(order, ','), int64(step[1]), 10)
	}
	before := []byte{}
	for _, text := range documents {
		if text == "" {
			text = "null"
		}
		before = append(append(before, ','), text...)
	}
	text, err := b.call(ctx, b.foldFn, string(array(order)), string(array(before)))
	if err != nil {
		return nil, err
	}
	return split(text, len(documents))
}

// split takes an answer apart: states, then the values, a line each.
func split(text string, documents int) ([]folded, error) {
	states, texts, _ := strings.Cut(strings.TrimPrefix(text, "D"), "\n")
	all := make([]folded, len(states))
	for i := range all {
		all[i].state = states[i]
		if states[i] == 'v' {
			all[i].text, texts, _ = strings.Cut(texts, "\n")
		}
	}
	if len(all) != documents || slices.ContainsFunc(all, func(f folded) bool { return f.state == 'v' && f.text == "" }) {
		return nil, fmt.Errorf("the sandbox answered for %d documents, not for %d", len(all), documents)
	}
	return all, nil
}
