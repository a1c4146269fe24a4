package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// tried is how many of a topic's last events a definition is tried against before it is accepted.
const tried = 100

// MaxTried is the most events that Try folds.
const MaxTried = 10_000

// Trial says what to try: a definition without topics, with events given, which get positions from 1 on, or with the last ones of a topic.
type Trial struct {
	Definition Definition
	Events     []core.Event
	Topic      string
	Last       int
}

// KeyValue is a document: its key and its JSON.
type KeyValue struct {
	Key   string
	Value string
}

// Try folds events into no documents but its own, and returns those, by key. Nothing is changed. What is wrong with the definition, or with
// an event under it, is an [*InvalidError].
func (p *Projections) Try(ctx context.Context, name string, t Trial) ([]KeyValue, error) {
	if t.Definition.Source == "" && t.Definition.Handler == "" {
		c, err := p.load(ctx, name)
		if err != nil {
			return nil, err
		}
		if t.Definition, err = p.definition(ctx, name, c.Live); err != nil {
			return nil, err
		}
	}
	if err := p.checkCode(t.Definition); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, trialTime, errTrialTime)
	defer cancel()
	program, err := p.program(ctx, t.Definition)
	if err != nil {
		return nil, tooSlow(ctx, err)
	}
	defer program.Close()
	events, _ := core.Seal(core.Head{}, p.config.Now(), t.Events)
	if t.Topic != "" {
		if events, _, err = p.lastEvents(ctx, t.Topic, narrowed(t.Definition.Filter, program.Types()), t.Last); err != nil {
			return nil, err
		}
	} else {
		events = handled(events, t.Definition.Filter, program.Types())
	}
	documents, err := foldAlone(ctx, program, events)
	if failed, ok := failedEvent(err); ok {
		place := fmt.Sprintf("position %d", events[failed].Position)
		return nil, &InvalidError{Place: place, Reason: err.Error()}
	}
	return documents, tooSlow(ctx, err)
}

// trialTime is the most that trying a definition may take.
const trialTime = time.Minute

var errTrialTime = errors.New("the trial took too long")

// tooSlow says of a trial that ran out of time that it did.
func tooSlow(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errTrialTime {
		return invalid("source", "trying it took longer than %v, the most there is", trialTime)
	}
	return err
}

// handled are the events that a run would fold.
func handled(events []core.Event, filter core.Filter, types []string) []core.Event {
	filter = narrowed(filter, types)
	return slices.DeleteFunc(slices.Clone(events), func(e core.Event) bool { return !filter.Match(&e) })
}

// lastEvents are the last n events of a topic that a filter selects, in order, and whether there are none before.
func (p *Projections) lastEvents(ctx context.Context, name string, filter core.Filter, n int) (events []core.Event, all bool, err error) {
	topic, err := p.config.Topics.Open(ctx, name)
	if err != nil {
		return nil, false, err
	}
	for e, err := range topic.Log.Read(ctx, core.Query{Backward: true, Filter: filter, Limit: n + 1}) {
		if err != nil {
			return nil, false, err
		}
		events = append(events, e)
	}
	if all = len(events) <= n; !all {
		events = events[:n]
	}
	slices.Reverse(events)
	return events, all, nil
}

// foldAlone folds events into no documents.
func foldAlone(ctx context.Context, program Program, events []core.Event) ([]KeyValue, error) {
	texts, offset := map[string]string{}, 0
	for rest := events; len(rest) > 0; {
		most, _ := program.MaxBatch()
		n := min(most, len(rest))
		if err := foldBatch(ctx, program, rest[:n], texts); err != nil {
			if failed, ok := failedEvent(err); ok {
				return nil, &eventError{offset + failed, err}
			}
			return nil, err
		}
		rest, offset = rest[n:], offset+n
	}
	documents := []KeyValue{}
	for key, text := range texts {
		if text != "" {
			documents = append(documents, KeyValue{key, text})
		}
	}
	slices.SortFunc(documents, func(a, b KeyValue) int { return strings.Compare(core.EscapeKey(a.Key), core.EscapeKey(b.Key)) })
	return documents, nil
}

func foldBatch(ctx context.Context, program Program, events []core.Event, texts map[string]string) error {
	keys, err := program.Keys(ctx, events)
	if err != nil {
		return err
	}
	steps, numbers, names, before := [][2]int{}, map[string]int{}, []string{}, []string{}
	for i, mine := range keys {
		for _, key := range unique(mine, nil) {
			if _, ok := numbers[key]; !ok {
				numbers[key] = len(names)
				names, before = append(names, key), append(before, texts[key])
			}
			steps = append(steps, [2]int{i, numbers[key]})
		}
	}
	after, _, err := program.Fold(ctx, steps, before)
	if err != nil {
		return err
	}
	for i, name := range names {
		texts[name] = after[i]
	}
	return nil
}

// tryDefinition compiles a definition and folds the last events of its topics. What a handler throws counts only where the fold began
// at the topic's first event: from the middle on it has no documents to go by. A broken limit, or a wrong key, counts always.
func (p *Projections) tryDefinition(ctx context.Context, d Definition) error {
	ctx, cancel := context.WithTimeoutCause(ctx, trialTime, errTrialTime)
	defer cancel()
	return tooSlow(ctx, p.tryTopics(ctx, d))
}

func (p *Projections) tryTopics(ctx context.Context, d Definition) error {
	program, err := p.program(ctx, d)
	if err != nil {
		return err
	}
	defer program.Close()
	for i, name := range d.Topics {
		events, all, err := p.lastEvents(ctx, name, narrowed(d.Filter, program.Types()), tried)
		if errors.Is(err, topics.ErrTopicNotFound) {
			return invalid(fmt.Sprintf("topics[%d]", i), "there is no topic %q; POST /topics registers one", name)
		}
		if err != nil {
			return err
		}
		if _, err := program.Keys(ctx, events); err != nil {
			return tryError(err, name, events)
		}
		if _, err := foldAlone(ctx, program, events); err != nil && (all || brokeLimit(err)) {
			return tryError(err, name, events)
		}
	}
	return nil
}

func tryError(err error, topic string, events []core.Event) error {
	if failed, ok := failedEvent(err); ok {
		return invalid("source", "it fails at position %d of the topic %q: %v", events[failed].Position, topic, err)
	}
	return err
}

// brokeLimit tells a limit of the sandbox from an exception. Storage that fails counts as well.
func brokeLimit(err error) bool {
	var limited interface {
		error
		Limit() bool
	}
	if errors.As(err, &limited) {
		return limited.Limit()
	}
	_, event := failedEvent(err)
	return !event
}
