package subscribers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventstore/core"
)

// Status is a subscription as it may be shown: no secret, and a callback without its query.
type Status struct {
	Topic, ID   string
	Callback    string
	Item        core.Item
	Name        string
	Batch       int
	TTL         string
	Created     time.Time
	Expires     time.Time
	Verified    bool
	State       string // active, retrying, parked or paused
	Next, Head  core.Position
	Lag         int64 // events up to the head
	Attempts    int
	NextAttempt time.Time // zero where none waits
	LastError   string
	Delivered   int64
	Parked      int // events
}

// Parked is a subject whose event could not be delivered, with those that wait behind it.
type Parked struct {
	Subject   string // "" for an event without one
	Positions []core.Position
	Events    int // that wait, of which Positions are the first
	Attempts  int
	LastError string
	Since     time.Time
}

// mostPositions is the most positions that are listed of a parked subject.
const mostPositions = 1000

// Get reports a subscription. [ErrNotFound]: there is none.
func (s *Service) Get(ctx context.Context, topic, id string) (Status, error) {
	reg, _, err := s.find(ctx, topic, id)
	if err != nil {
		return Status{}, err
	}
	log, err := s.Open(ctx, topic)
	if err != nil {
		return Status{}, err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return Status{}, err
	}
	return s.status(ctx, reg, log, head)
}

// List reports a topic's subscriptions in the order of their ids, at most limit behind after,
// and what to go on behind; "" where that was the last.
func (s *Service) List(ctx context.Context, topic, after string, limit int) (some []Status, next string, err error) {
	log, err := s.Open(ctx, topic)
	if err != nil {
		return nil, "", err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return nil, "", err
	}
	query := core.ListQuery{Prefix: topic + "/"}
	if after != "" {
		query.After = topic + "/" + after
	}
	for document, err := range s.Documents.List(ctx, registrations, query) {
		if err != nil {
			return nil, "", fmt.Errorf("listing subscriptions: %w", err)
		}
		reg := new(registration)
		if err := decode(registrations, document, reg); err != nil {
			return nil, "", err
		}
		if !s.Now().Before(reg.Expires) {
			continue
		}
		if len(some) == limit {
			return some, some[limit-1].ID, nil
		}
		status, err := s.status(ctx, reg, log, head)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		some = append(some, status)
	}
	return some, "", nil
}

func (s *Service) status(ctx context.Context, reg *registration, log core.Log, head core.Head) (Status, error) {
	st := new(state)
	version, err := s.store.get(ctx, states, reg.stateKey(), st)
	if err != nil {
		return Status{}, err
	}
	if version == "" {
		return Status{}, ErrNotFound // deleted a moment ago
	}
	parked := 0
	if st.Parked > 0 {
		if parked, err = s.countParked(ctx, reg, st, log); err != nil {
			return Status{}, err
		}
	}
	if err := passUnmatched(ctx, reg, st, log, head); err != nil {
		return Status{}, err
	}
	status := Status{Topic: reg.Topic, ID: reg.ID, Callback: maskQuery(reg.Callback), Item: core.Item{Types: reg.Types, Subjects: reg.Subjects, Tags: reg.Tags},
		Name: reg.Name, Batch: reg.Batch, TTL: reg.TTL, Created: reg.Created, Expires: reg.Expires, Verified: reg.Verified, State: stateOf(reg, st),
		Next: st.Next, Head: head.Position, Lag: max(0, int64(head.Position-st.Next)+1),
		Attempts: st.Attempts, NextAttempt: nextAttempt(st), LastError: st.LastError, Delivered: st.Delivered, Parked: parked}
	if st.Stopped != "" {
		status.LastError = st.Stopped
	}
	return status, nil
}

// passUnmatched moves a state on to the first event that is to be delivered: how far an idle subscription has come is
// written only now and then.
func passUnmatched(ctx context.Context, reg *registration, st *state, log core.Log, head core.Head) error {
	if !st.idle() || st.Next > head.Position || len(reg.filter()) == 0 {
		return nil
	}
	for e, err := range log.Read(ctx, core.Query{From: st.Next, Limit: 1, Filter: reg.filter()}) {
		if err == nil {
			st.Next = e.Position
		}
		return err
	}
	st.Next = head.Position + 1
	return nil
}

func stateOf(reg *registration, st *state) string {
	switch {
	case reg.Paused || st.Stopped != "":
		return "paused"
	case st.Parked > 0:
		return "parked"
	case st.Held > 0 || st.Failures > 0:
		return "retrying"
	}
	return "active"
}

// nextAttempt is when something is tried again; zero where nothing waits.
func nextAttempt(st *state) time.Time {
	next := st.NextAttempt
	if st.Failures >= several && (next.IsZero() || st.Backoff.Before(next)) {
		next = st.Backoff
	}
	if next.IsZero() {
		return next
	}
	return later(next, st.Quiet)
}

// maskQuery hides a callback's query, where keys travel.
func maskQuery(callback string) string {
	if before, _, has := strings.Cut(callback, "?"); has {
		return before + "?***"
	}
	return callback
}

// parked reads the holds that are parked, in order of position.
func (s *Service) parked(ctx context.Context, reg *registration) (some []*hold, err error) {
	prefix := reg.stateKey() + "/"
	for document, err := range s.Documents.List(ctx, holds, core.ListQuery{Prefix: prefix}) {
		if err != nil {
			return nil, fmt.Errorf("listing holds: %w", err)
		}
		h := &hold{version: document.Version, name: strings.TrimPrefix(document.Key, prefix)}
		if err := decode(holds, document, h); err != nil {
			return nil, err
		}
		if h.Parked {
			some = append(some, h)
		}
	}
	slices.SortFunc(some, func(a, b *hold) int { return int(a.From - b.From) })
	return some, nil
}

// ListParked reports the subjects that are parked, in the order of their first events.
func (s *Service) ListParked(ctx context.Context, topic, id string) ([]Parked, error) {
	reg, _, err := s.find(ctx, topic, id)
	if err != nil {
		return nil, err
	}
	log, err := s.Open(ctx, topic)
	if err != nil {
		return nil, err
	}
	st := new(state)
	if _, err := s.store.get(ctx, states, reg.stateKey(), st); err != nil {
		return nil, err
	}
	return s.listParked(ctx, reg, st, log)
}

func (s *Service) listParked(ctx context.Context, reg *registration, st *state, log core.Log) ([]Parked, error) {
	found, err := s.parked(ctx, reg)
	if err != nil {
		return nil, err
	}
	list := []Parked{}
	places := map[string]int{} // subject → index
	item := core.Item{Types: reg.Types, Tags: reg.Tags}
	first := core.MaxPosition
	for _, h := range found {
		if h.Rewinds != st.Rewinds {
			continue
		}
		p := Parked{Attempts: h.Attempts, LastError: h.Error, Since: h.Since}
		if len(h.Subjects) == 0 {
			p.Positions, p.Events = h.Events, len(h.Events)
			list = append(list, p)
			continue
		}
		for _, p.Subject = range h.Subjects {
			places[p.Subject] = len(list)
			list = append(list, p)
			item.Subjects = append(item.Subjects, p.Subject)
		}
		first = min(first, h.From)
	}
	if len(places) == 0 {
		return list, nil
	}
	return list, s.fillParked(ctx, list, places, core.Query{From: first, To: st.Next - 1, Filter: core.Filter{item}}, log, found)
}

// fillParked finds the events that wait, in one reading of the log.
func (s *Service) fillParked(ctx context.Context, list []Parked, places map[string]int, q core.Query, log core.Log, found []*hold) error {
	from := map[string]core.Position{}
	for _, h := range found {
		for _, subject := range h.Subjects {
			from[subject] = h.From
		}
	}
	for e, err := range log.Read(ctx, q) {
		if err != nil {
			return err
		}
		if e.Position < from[e.Subject] {
			continue
		}
		p := &list[places[e.Subject]]
		if p.Events++; p.Events <= mostPositions {
			p.Positions = append(p.Positions, e.Position)
		}
	}
	return nil
}

func (s *Service) countParked(ctx context.Context, reg *registration, st *state, log core.Log) (n int, err error) {
	list, err := s.listParked(ctx, reg, st, log)
	for _, p := range list {
		n += p.Events
	}
	return n, err
}
