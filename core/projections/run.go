package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// A run folds the events behind a checkpoint, up to its bounds or the heads of the topics, in memory. What it has changed is
// then written by whoever made it: documents first, checkpoint last.
type run struct {
	projections *Projections
	runner      *runner
	working     *working
	from, to    Checkpoint
	skipped     []Skipped
	// only, where it is not nil, are the keys of the documents that are folded; others are left alone.
	only map[string]bool
	// until, where it is not nil, is where to stop in each topic: a checkpoint of this log's.
	until Checkpoint
	// subjects, where it is not nil, are the only ones of which events are read.
	subjects []string

	rests               bool // it gives way to requests
	maxEvents, maxBytes int
	deadline            time.Time
	topicEvents         int
	topicDeadline       time.Time

	events int  // folded, or looked at in vain
	more   bool // the bounds ended it, not the heads
	failed *Failure
}

// fold folds all topics. An error is neither an event's nor a log's fault, and leaves nothing to be kept.
func (r *run) fold(ctx context.Context) error {
	r.to = maps.Clone(r.from)
	if r.to == nil {
		r.to = Checkpoint{}
	}
	n, took := len(r.runner.definition.Topics), time.Until(r.deadline)
	for i, topic := range r.runner.definition.Topics {
		// Each topic has its share, so that a busy one does not keep the others waiting.
		r.topicEvents = r.maxEvents / n * (i + 1)
		r.topicDeadline = r.deadline.Add(-took / time.Duration(n) * time.Duration(n-1-i))
		if err := r.topic(ctx, i, topic); err != nil || r.failed != nil {
			return err
		}
	}
	return nil
}

// full tells whether the topic that is being read has had its share.
func (r *run) full() bool {
	return r.events >= r.topicEvents || r.working.size >= r.maxBytes || !time.Now().Before(r.topicDeadline)
}

// topic folds one topic. Where the log can't be read, or is another one, the run has failed.
func (r *run) topic(ctx context.Context, index int, name string) error {
	err := r.read(ctx, index, name)
	if err == nil || ctx.Err() != nil || errors.Is(err, topics.ErrTopicNotFound) {
		return err
	}
	var stop *stopError
	if errors.As(err, &stop) {
		return stop.err
	}
	r.projections.config.Log.WarnContext(ctx, "a topic can't be read for a projection", "projection", r.runner.key.name, "topic", name, "cause", err)
	failure := &Failure{Topic: name, Position: r.to[name].Position, Message: readable(name, err)}
	var foreign *foreignError
	failure.Foreign = errors.As(err, &foreign)
	r.failed = failure
	return nil
}

// stopError wraps what is not the log's fault.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// readable says why a log can't be read, without what is inside.
func readable(topic string, err error) string {
	var foreign *foreignError
	switch {
	case errors.As(err, &foreign):
		return foreign.reason
	case errors.Is(err, core.ErrForeign):
		return fmt.Sprintf("the topic %q has another storage than the one it was registered with", topic)
	case errors.Is(err, core.ErrCorrupt):
		return fmt.Sprintf("the storage of the topic %q is damaged", topic)
	}
	return fmt.Sprintf("the topic %q can't be read now", topic)
}

func (r *run) read(ctx context.Context, index int, name string) error {
	topic, err := r.projections.config.Topics.Open(ctx, name)
	if err != nil {
		return err
	}
	from := r.from[name]
	head, err := topic.Log.Head(ctx)
	if err != nil {
		return err
	}
	if known := r.runner.seen[name]; known.topic != topic || known.place != from || head.Position <= from.Position {
		if err := checkPlace(ctx, topic.Log, name, from, head); err != nil {
			return err
		}
	}
	end := Place{head.Position, head.Hash}
	if until := r.until[name]; r.until != nil && until.Position < end.Position {
		end = until
	}
	if end.Position > from.Position {
		if err := r.feed(ctx, index, name, topic.Log, end); err != nil {
			return err
		}
	}
	r.runner.seen[name] = seen{topic, r.to[name]}
	return nil
}

// feed folds the events of a topic up to end.
func (r *run) feed(ctx context.Context, index int, name string, log core.Log, end Place) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{log: log, from: r.from[name], to: end, filter: r.filter()}
	f.start(ctx, r.batchSize)
	defer func() {
		cancel()
		for range f.batches { // until the reader has ended
		}
	}()
	for b := range f.batches {
		began := time.Now()
		if b.err != nil {
			return b.err
		}
		if err := r.batch(ctx, index, name, b); err != nil {
			return &stopError{err}
		}
		if r.failed != nil {
			return nil
		}
		if r.full() && r.to[name] != end {
			r.more = true
			return nil
		}
		f.folded(b)
		r.giveWay(ctx, time.Since(began))
	}
	return ctx.Err()
}

// rest is how many times as long as it worked a rebuild rests in an instance that is busy with requests.
const rest = 9

// giveWay has a rebuild rest after a batch, for as long as the instance is busy with requests and no longer than [rest] says.
func (r *run) giveWay(ctx context.Context, worked time.Duration) {
	busy := r.projections.config.Busy
	if !r.rests || busy == nil {
		return
	}
	end := time.Now().Add(rest * worked)
	for busy() && time.Now().Before(end) && time.Now().Before(r.deadline) && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// filter selects the events to read.
func (r *run) filter() core.Filter {
	filter := narrowed(r.runner.definition.Filter, r.runner.program.Types())
	if r.subjects == nil {
		return filter
	}
	if len(filter) == 0 {
		return core.Filter{{Subjects: r.subjects}}
	}
	for i := range filter {
		if len(filter[i].Subjects) == 0 {
			filter[i].Subjects = r.subjects
		}
	}
	return filter
}

func (r *run) batchSize() (events, bytes int) {
	events, bytes = r.runner.program.MaxBatch()
	return min(events, r.maxEvents), bytes
}

// batch folds a batch; where one of its events fails, those before it.
func (r *run) batch(ctx context.Context, index int, name string, b batch) error {
	events := r.without(name, b.events)
	end := b.end
	err := r.apply(ctx, index, events)
	for failed, ok := failedEvent(err); ok; failed, ok = failedEvent(err) {
		e := &events[failed]
		r.failed = &Failure{Topic: name, Position: e.Position, Message: err.Error(), Event: true}
		events, end = events[:failed], r.to[name]
		if failed > 0 {
			end = Place{events[failed-1].Position, events[failed-1].Hash}
		}
		err = r.apply(ctx, index, events)
	}
	if err != nil {
		return err
	}
	r.events += len(b.events)
	r.to[name] = end
	return nil
}

// without leaves out the events that are skipped on demand.
func (r *run) without(name string, events []core.Event) []core.Event {
	if len(r.skipped) == 0 {
		return events
	}
	skipped := map[core.Position]bool{}
	for _, s := range r.skipped {
		skipped[s.Position] = skipped[s.Position] || s.Topic == name
	}
	left := make([]core.Event, 0, len(events))
	for _, e := range events {
		if !skipped[e.Position] {
			left = append(left, e)
		}
	}
	return left
}

// apply folds events into the documents they change, but for those that have them already. On an error no document has
// changed.
func (r *run) apply(ctx context.Context, index int, events []core.Event) error {
	if len(events) == 0 {
		return nil
	}
	keys, err := r.runner.program.Keys(ctx, events)
	if err != nil {
		return err
	}
	for i, mine := range keys {
		keys[i] = unique(mine, r.only)
	}
	documents, err := r.working.load(ctx, keys)
	if err != nil {
		return err
	}
	steps, changed := stepsOf(events, keys, documents, index)
	if len(steps) == 0 {
		return nil
	}
	texts, last := make([]string, len(changed)), make([]core.Position, len(changed))
	for n, d := range changed {
		texts[n] = d.text
	}
	for _, step := range steps {
		last[step[1]] = events[step[0]].Position
	}
	after, alive, err := r.runner.program.Fold(ctx, steps, texts)
	if err != nil {
		return err
	}
	for n, d := range changed {
		r.working.change(d, index, last[n], after[n], alive[n])
	}
	return nil
}

// stepsOf pairs the numbers of events with those of the documents that they change, and that do not have them already. documents are
// those of all keys, in their order.
func stepsOf(events []core.Event, keys [][]string, documents []*document, index int) (steps [][2]int, changed []*document) {
	steps = make([][2]int, 0, len(documents))
	for i, mine := range keys {
		for _, d := range documents[:len(mine)] {
			if d.at[index] >= events[i].Position {
				continue
			}
			if d.number == 0 {
				changed = append(changed, d)
				d.number = len(changed)
			}
			steps = append(steps, [2]int{i, d.number - 1})
		}
		documents = documents[len(mine):]
	}
	for _, d := range changed {
		d.number = 0
	}
	return steps, changed
}

// unique leaves out keys that are there before, and those that are not among only, where that is not nil: an event changes
// a document once.
func unique(keys []string, only map[string]bool) []string {
	if len(keys) == 1 && only == nil {
		return keys
	}
	left := make([]string, 0, len(keys))
	for _, key := range keys {
		if (only == nil || only[key]) && !slices.Contains(left, key) {
			left = append(left, key)
		}
	}
	return left
}
