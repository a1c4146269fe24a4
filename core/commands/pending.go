package commands

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"eventstore/core"
)

// pending is a request on its way into the log.
type pending struct {
	events    []core.Event // completed; never changed after the request was prepared
	condition core.Condition
	imported  bool // its events are not one request: they have no More
	size      int  // about how many bytes its lines have
	sent      int  // bytes of the texts that the publisher sent
	deadline  time.Time
	mark      any // the observer's

	// given is whether some id is the publisher's, so that ids must be looked up.
	given bool
	// places is nil where every event is new. Else it says of each event: 0 it is new, n > 0 it
	// is stored at n already, -n it repeats events[n-1].
	places []core.Position
	// checked is the position up to which the stored events neither have its new ids nor
	// break its condition.
	checked core.Position
	// recorded is when it was first appended or tried to be; the committer's.
	recorded time.Time

	state atomic.Int32
	done  chan outcome // takes one outcome for each time it was queued
}

// The states of a pending request. Whoever waits for it may abandon it while it is queued:
// then it is certain that nothing of it is stored.
const (
	queued int32 = iota
	taken
	abandoned
)

// outcome is what became of a pending request.
type outcome struct {
	result Result
	err    error
	again  bool // it must be looked at afresh
	closed bool // the topic's log is closed, and the request not in it
}

// checks reports whether anything stored can stand against the request.
func (p *pending) checks() bool {
	return p.given || len(p.condition.FailIfMatch) > 0 || p.condition.Head != nil
}

// fresh counts the events that are new.
func (p *pending) fresh(places []core.Position) int {
	if places == nil {
		return len(p.events)
	}
	n := 0
	for _, place := range places {
		if place == 0 {
			n++
		}
	}
	return n
}

// prepare checks and completes a request.
func (p *Publisher) prepare(topic string, request Request) (*pending, error) {
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	q := p.pending(len(request.Events))
	q.condition = request.Condition
	source := "/topics/" + topic
	for i, e := range request.Events {
		if q.add(e, source, "") != nil { // the place is made for what is wrong alone
			return nil, q.add(e, source, fmt.Sprintf("events[%d]", i))
		}
	}
	if q.sent > core.MaxRequestSize {
		return nil, &core.TooLargeError{Place: "events", Reason: fmt.Sprintf("%d bytes; the most is %d", q.sent, core.MaxRequestSize)}
	}
	return q, q.findTwins()
}

// prepareImport checks and completes a batch of an import. at is the event that an error is about.
func (p *Publisher) prepareImport(topic string, events []core.Event) (q *pending, at int, err error) {
	q = p.pending(len(events))
	q.imported = true
	source := "/topics/" + topic
	for i, e := range events {
		if err := q.add(e, source, ""); err != nil {
			return nil, i, err
		}
	}
	err = q.findTwins()
	var conflict *IDConflictError
	if errors.As(err, &conflict) {
		at = conflict.Index
	}
	return q, at, err
}

func (p *Publisher) pending(events int) *pending {
	return &pending{events: make([]core.Event, 0, events), done: make(chan outcome, 1), deadline: time.Now().Add(p.config.Timeout)}
}

// add completes and checks an event.
func (p *pending) add(e core.Event, source, place string) error {
	given := e.ID != ""
	if err := e.CheckSize(place); err != nil {
		return err
	}
	p.sent += texts(&e)
	if err := complete(&e, source); err != nil {
		return err
	}
	if err := check(&e, place); err != nil {
		return err
	}
	p.given = p.given || given
	p.size += texts(&e) + lineOverhead
	p.events = append(p.events, e)
	return nil
}

func checkRequest(request Request) error {
	if len(request.Events) == 0 {
		return core.Invalid("events", "is empty; a request has 1 to %d events", core.MaxRequestEvents)
	}
	if n := len(request.Events); n > core.MaxRequestEvents {
		return &core.TooLargeError{Place: "events", Reason: fmt.Sprintf("%d events; the most is %d", n, core.MaxRequestEvents)}
	}
	if after := request.Condition.After; after < 0 {
		return core.Invalid("condition.after", "%d is below 0", after)
	}
	if head := request.Condition.Head; head != nil && *head < 0 {
		return core.Invalid("condition.head", "%d is below 0", *head)
	}
	return nil
}

// complete fills in what the publisher left to the store, and clears what is the store's.
func complete(e *core.Event, source string) error {
	e.Position, e.Recorded, e.More, e.Hash = 0, time.Time{}, false, core.Hash{}
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("making an id: %w", err)
		}
		e.ID = id.String()
	}
	if e.Source == "" {
		e.Source = source
	}
	if e.DataContentType == "" {
		e.DataContentType = core.DefaultContentType
	}
	if !e.Time.IsZero() {
		e.Time = core.Truncate(e.Time)
	}
	return nil
}

func check(e *core.Event, place string) error {
	if year := e.Time.Year(); year < 0 || year > 9999 {
		return core.Invalid(strings.TrimPrefix(place+".time", "."), "in UTC its year is %d; RFC 3339 has 0 to 9999", year)
	}
	return e.Validate(place)
}

// lineOverhead is about what the names of a line's fields, its times and its hash take.
const lineOverhead = 320

func texts(e *core.Event) int {
	size := len(e.ID) + len(e.Type) + len(e.Source) + len(e.Subject) + len(e.Data) + len(e.DataBase64) + len(e.Metadata)
	for _, tag := range e.Tags {
		size += len(tag) + 3
	}
	return size
}

// findTwins notes the events of the request that repeat an earlier one of it.
func (p *pending) findTwins() error {
	if len(p.events) == 1 || !p.given {
		return nil
	}
	seen := make(map[string]int, len(p.events))
	for i := range p.events {
		e := &p.events[i]
		first, ok := seen[e.ID]
		if !ok {
			seen[e.ID] = i
			continue
		}
		if !e.SameContent(&p.events[first]) {
			return &IDConflictError{ID: e.ID, Index: i}
		}
		p.place(i, core.Position(-first-1))
	}
	return nil
}

// reset forgets what was looked up.
func (p *pending) reset() {
	p.places, p.checked = nil, 0
	_ = p.findTwins() // it passed when the request was prepared
}

// place notes that an event is not new.
func (p *pending) place(i int, place core.Position) {
	if p.places == nil {
		p.places = make([]core.Position, len(p.events))
	}
	p.places[i] = place
}

// answer is the result of a request whose events are at places (nil: all new), the new
// ones from first on.
func (p *pending) answer(topic string, places []core.Position, first, head core.Position) Result {
	result := Result{Topic: topic, Head: head, Events: make([]Stored, len(p.events))}
	next := first
	for i := range p.events {
		stored := Stored{ID: p.events[i].ID}
		switch {
		case places == nil || places[i] == 0:
			stored.Position = next
			next++
		case places[i] > 0:
			stored.Position, stored.Duplicate = places[i], true
		default:
			stored.Position, stored.Duplicate = result.Events[-places[i]-1].Position, true
		}
		result.Events[i] = stored
		if i == 0 || stored.Position < result.First {
			result.First = stored.Position
		}
		result.Last = max(result.Last, stored.Position)
	}
	return result
}
