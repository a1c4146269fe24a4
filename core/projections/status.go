package projections

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// The states of a projection.
const (
	Running    = "running"
	Rebuilding = "rebuilding"
	Paused     = "paused"
	Failed     = "failed"
)

// Status is what a projection is doing.
type Status struct {
	Name        string                 `json:"name"`
	Description string                 `json:"description,omitzero"`
	State       string                 `json:"state"`
	Topics      map[string]TopicStatus `json:"topics"`
	Version     int                    `json:"version"`
	// Previous is the version that a rollback goes to, 0 for none.
	Previous int `json:"previous,omitzero"`
	// Documents is their number: exact where Digest is there, which is of the documents at the positions Counted.
	Documents    int64          `json:"documents"`
	Digest       string         `json:"digest,omitzero"`
	Counted      Positions      `json:"counted,omitzero"`
	LastProgress string         `json:"lastProgress,omitzero"`
	PerSecond    float64        `json:"eventsPerSecond"`
	Rebuild      *RebuildStatus `json:"rebuild,omitzero"`
	LastError    *LastError     `json:"lastError,omitzero"`
	Skipped      []SkippedEvent `json:"skipped,omitzero"`
}

// TopicStatus is how far a projection is in a topic.
type TopicStatus struct {
	Position core.Position `json:"position"`
	Head     core.Position `json:"head"`
	Lag      core.Position `json:"lag"`
}

// RebuildStatus is how far a rebuild is.
type RebuildStatus struct {
	Version         int     `json:"version"`
	Progress        float64 `json:"progress"`
	EventsPerSecond float64 `json:"eventsPerSecond"`
	ETA             string  `json:"eta,omitzero"`
	Verifying       bool    `json:"verifying,omitzero"`
	Documents       int64   `json:"documents"`
	Digest          string  `json:"digest,omitzero"`

	eta time.Time
}

// LastError is why a projection, or its rebuild, can't go on.
type LastError struct {
	Topic       string        `json:"topic,omitzero"`
	Position    core.Position `json:"position,omitzero"`
	Version     int           `json:"version"`
	Message     string        `json:"message"`
	Attempts    int           `json:"attempts"`
	NextAttempt string        `json:"nextAttempt"`
}

// SkippedEvent is an event that was passed over.
type SkippedEvent struct {
	Topic    string        `json:"topic"`
	Position core.Position `json:"position"`
	Message  string        `json:"message"`
	At       string        `json:"at"`
}

// Status tells what a projection is doing. The documents of a small one are counted anew.
func (p *Projections) Status(ctx context.Context, name string) (Status, error) {
	c, err := p.load(ctx, name)
	if err != nil {
		return Status{}, err
	}
	p.countSmall(ctx, c)
	return p.status(ctx, c), nil
}

// Statuses tells of all projections behind after, by name, at most limit. next, where it is not "", is the after of
// the following page.
func (p *Projections) Statuses(ctx context.Context, after string, limit int) (statuses []Status, next string, err error) {
	statuses = []Status{}
	for c, err := range p.listed(ctx, after, func(c *control) bool { return !c.Deleted }) {
		if err != nil {
			return nil, "", err
		}
		if limit > 0 && len(statuses) == limit {
			return statuses, statuses[limit-1].Name, nil
		}
		statuses = append(statuses, p.status(ctx, c))
	}
	return statuses, "", nil
}

func (p *Projections) status(ctx context.Context, c *control) Status {
	v := c.Versions[c.Live]
	s := Status{Name: c.Name, Description: c.Description, Version: c.Live, Previous: c.Previous, Documents: v.Documents,
		LastProgress: timeText(v.Progress), PerSecond: v.Rate, Topics: map[string]TopicStatus{}}
	if v.Counted != nil {
		s.Digest, s.Counted = v.Counted.Digest, v.Counted.At
	}
	registered := true
	for _, topic := range v.Topics {
		head, err := p.head(ctx, topic)
		registered = registered && !errors.Is(err, topics.ErrTopicNotFound)
		at := v.Checkpoint[topic].Position
		s.Topics[topic] = TopicStatus{at, head, max(0, head-at)}
	}
	if c.Build != 0 {
		s.Rebuild = p.rebuildStatus(ctx, c)
	}
	s.State = state(c, registered)
	for _, number := range []int{c.Build, c.Live} {
		if v := c.Versions[number]; v != nil {
			s.tell(number, v)
		}
	}
	return s
}

func state(c *control, registered bool) string {
	switch {
	case c.Paused || !registered:
		return Paused
	case c.Versions[c.Live].Failure != nil:
		return Failed
	case c.Build != 0:
		return Rebuilding
	}
	return Running
}

// tell adds what a version failed at and was made to skip. The live version's failure comes before a rebuild's.
func (s *Status) tell(number int, v *version) {
	if f := v.Failure; f != nil {
		s.LastError = &LastError{f.Topic, f.Position, number, f.Message, f.Attempts, timeText(f.NextAttempt)}
	}
	for _, skipped := range v.Skipped {
		told := SkippedEvent{skipped.Topic, skipped.Position, skipped.Message, timeText(skipped.At)}
		if !slices.ContainsFunc(s.Skipped, func(o SkippedEvent) bool { return o.Topic == told.Topic && o.Position == told.Position }) {
			s.Skipped = append(s.Skipped, told)
		}
	}
}

// head is a topic's; what can't be read has none to tell.
func (p *Projections) head(ctx context.Context, name string) (core.Position, error) {
	topic, err := p.config.Topics.Open(ctx, name)
	if err != nil {
		return 0, err
	}
	head, err := topic.Log.Head(ctx)
	return head.Position, err
}

func (p *Projections) rebuildStatus(ctx context.Context, c *control) *RebuildStatus {
	v := c.Versions[c.Build]
	s := &RebuildStatus{Version: c.Build, EventsPerSecond: v.Rate, Verifying: v.Check != nil, Documents: v.Documents}
	if v.Counted != nil {
		s.Digest = v.Counted.Digest
	}
	var done, all core.Position
	for _, topic := range v.Topics {
		head, _ := p.head(ctx, topic) // a topic that can't be read is told by the failure
		done, all = done+v.Checkpoint[topic].Position, all+max(head, v.Checkpoint[topic].Position)
	}
	if all > 0 {
		s.Progress = float64(done) / float64(all)
	}
	if v.Rate > 0 {
		s.eta = core.Truncate(p.config.Now().Add(time.Duration(float64(all-done) / v.Rate * float64(time.Second))))
		s.ETA = timeText(s.eta)
	}
	return s
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return core.FormatTime(t)
}

const (
	// countedAtOnce is the most documents that are counted for a status.
	countedAtOnce = 1000
	countTime     = 500 * time.Millisecond
)

// counted is a count, and the checkpoint that it holds for.
type counted struct {
	at    Checkpoint
	count *Count
}

// countSmall gives a projection with few documents an exact count, where that is not known. It keeps it in this process alone.
func (p *Projections) countSmall(ctx context.Context, c *control) {
	v, key := c.Versions[c.Live], runnerKey{c.Name, c.Live}
	if v.Counted != nil && maps.Equal(v.Counted.At, v.Checkpoint.positions(v.Topics)) || v.Documents > countedAtOnce {
		return
	}
	p.mu.Lock()
	known := p.counts[key]
	p.mu.Unlock()
	if known.count == nil || !maps.Equal(known.at, v.Checkpoint) {
		w := walk{}
		deadline := time.Now().Add(countTime)
		if err := w.run(ctx, p.config.Documents, collectionOf(c.Name, c.Live), v.Topics, v.Checkpoint, deadline); err != nil || !w.Done {
			return // it is moving, or not so small: what was counted along the way stands
		}
		known = counted{v.Checkpoint, w.count(v.Checkpoint.positions(v.Topics))}
		p.mu.Lock()
		if len(p.counts) > maxCounts {
			clear(p.counts)
		}
		p.counts[key] = known
		p.mu.Unlock()
	}
	v.Counted, v.Documents = known.count, known.count.Documents
}

const maxCounts = 1000
