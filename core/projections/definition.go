package projections

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"eventstore/core"
	"eventstore/core/topics"
)

// Definition says what a projection is made of.
type Definition struct {
	Topics  []string    `json:"topics"`
	Filter  core.Filter `json:"filter,omitempty"`
	Source  string      `json:"source,omitempty"`  // JavaScript, or
	Handler string      `json:"handler,omitempty"` // the name of a Go handler
	// Schedule is when it is rebuilt, "" for never by itself.
	Schedule    string `json:"schedule,omitempty"`
	Description string `json:"description,omitempty"`
}

// The limits of a definition.
const (
	MaxTopics      = 16
	MaxFilter      = 100 // items
	MaxDescription = 1000
	maxKey         = 1024 // characters of a document's key
)

// digest tells definitions apart that make different documents: the schedule and the description do not.
func (d Definition) digest() string {
	d.Schedule, d.Description = "", ""
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // texts can be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func invalid(place, format string, args ...any) error {
	return &InvalidError{Place: place, Reason: fmt.Sprintf(format, args...)}
}

// check refuses a definition that can't be one, whatever its topics and its source hold.
func (p *Projections) check(d Definition) error {
	if len(d.Topics) == 0 || len(d.Topics) > MaxTopics {
		return invalid("topics", "there are %d; a projection reads 1 to %d", len(d.Topics), MaxTopics)
	}
	for i, topic := range d.Topics {
		place := fmt.Sprintf("topics[%d]", i)
		if err := topics.CheckName(topic); err != nil {
			return invalid(place, "%v", err)
		}
		if slices.Contains(d.Topics[:i], topic) {
			return invalid(place, "%q is there twice", topic)
		}
	}
	if len(d.Filter) > MaxFilter {
		return invalid("filter", "%d items; the most is %d", len(d.Filter), MaxFilter)
	}
	if n := utf8.RuneCountInString(d.Description); n > MaxDescription {
		return invalid("description", "%d characters; the most is %d", n, MaxDescription)
	}
	return cmp.Or(p.checkCode(d), p.checkSchedule(d.Schedule))
}

func (p *Projections) checkCode(d Definition) error {
	if (d.Source == "") == (d.Handler == "") {
		return invalid("source", "a projection has either a source, which is JavaScript, or a handler, which is built in")
	}
	if d.Handler != "" && p.handler(d.Handler) == nil {
		names := []string{}
		for _, h := range p.config.Handlers {
			names = append(names, h.Name)
		}
		return invalid("handler", "there is no handler %q; built in are %q", d.Handler, names)
	}
	return nil
}

func (p *Projections) checkSchedule(text string) error {
	if text == "" {
		return nil
	}
	if _, err := p.config.ParseSchedule(text); err != nil {
		return invalid("rebuild.schedule", "%v", err)
	}
	return nil
}

func (p *Projections) handler(name string) *Handler {
	i := slices.IndexFunc(p.config.Handlers, func(h Handler) bool { return h.Name == name })
	if i < 0 {
		return nil
	}
	return &p.config.Handlers[i]
}

// program makes what the definition computes. An error that is the definition's fault is an [*InvalidError].
func (p *Projections) program(ctx context.Context, d Definition) (Program, error) {
	if d.Handler != "" {
		handler := p.handler(d.Handler)
		if handler == nil {
			return nil, invalid("handler", "there is no handler %q in this instance", d.Handler)
		}
		return handler.New(), nil
	}
	program, err := p.config.Compile(ctx, d.Source)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		line, column := placeOf(err)
		place := "source"
		if line > 0 {
			place = fmt.Sprintf("source, line %d, column %d", line, column)
		}
		return nil, &InvalidError{Line: line, Column: column, Place: place, Reason: err.Error()}
	}
	return program, nil
}

// narrowed is a filter that selects only types that a program handles. It may select more than that.
func narrowed(filter core.Filter, types []string) core.Filter {
	if types == nil {
		return slices.Clone(filter)
	}
	if len(filter) == 0 {
		return core.Filter{{Types: types}}
	}
	items := core.Filter{}
	for _, item := range filter {
		both := slices.DeleteFunc(slices.Clone(types), func(t string) bool { return len(item.Types) > 0 && !slices.Contains(item.Types, t) })
		if len(both) > 0 {
			items = append(items, core.Item{Types: both, Subjects: item.Subjects, Tags: item.Tags})
		}
	}
	if len(items) == 0 {
		return core.Filter{{Types: types, Subjects: []string{""}, Tags: []string{""}}} // selects nothing: no tag is empty
	}
	return items
}

// wrongKey says what is wrong with a document's key.
func wrongKey(key string) string {
	if n := utf8.RuneCountInString(key); n == 0 || n > maxKey || !utf8.ValidString(key) {
		return fmt.Sprintf("a key of %d characters; it has 1 to %d, of valid UTF-8", n, maxKey)
	}
	return ""
}
