package subscribers

import (
	"context"
	"errors"
	"fmt"
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
