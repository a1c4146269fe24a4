package subscribers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// turn serves a claimed subscription once, when it is its turn, and reports whether it needs
// another.
func (s *Service) turn(ctx context.Context, sub *subscription, end time.Time) (again bool, err error) {
	s.waiting.Add(1)
	select {
	case s.runs <- struct{}{}:
		s.waiting.Add(-1)
	case <-ctx.Done():
		s.waiting.Add(-1)
		return false, ctx.Err()
	}
	defer func() { <-s.runs }()
	select {
	case <-sub.wake:
	default:
	}
	for range 3 {
		again, err = s.serveOnce(ctx, sub, end)
		if err != nil && !errors.Is(err, topics.ErrTopicNotFound) {
			sub.st, sub.relist = nil, true
		}
		if !errors.Is(err, errFenced) {
			break
		}
	}
	if err != nil && !errors.Is(err, topics.ErrTopicNotFound) && !errors.Is(err, errTaken) && !errors.Is(err, errFenced) && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "serving a subscription", "subscription", sub.key, "error", err)
	}
	return again && err == nil, err
}

func (s *Service) serveOnce(ctx context.Context, sub *subscription, end time.Time) (again bool, err error) {
	if err := s.load(ctx, sub); err != nil || sub.reg == nil {
		return false, err
	}
	now := s.Now()
	if !now.Before(sub.reg.Expires) {
		return false, s.expire(ctx, sub)
	}
	if sub.reg.Paused || sub.st.Stopped != "" {
		return false, nil
	}
	log, err := s.Open(ctx, sub.reg.Topic)
	if err != nil {
		return false, err
	}
	head, events, err := s.heads.news(ctx, sub.reg.Topic, log, sub.st.Seen.Position, now)
	if err != nil {
		return false, err
	}
	if sub.passes(head, events, now) {
		s.tellPassed(sub, head)
		return false, nil
	}
	r := s.newRun(sub, log, now, end)
	if err := r.look(ctx); err != nil {
		return false, err
	}
	defer r.tell()
	if !r.work(now) {
		return false, nil
	}
	return r.deliver(ctx)
}

// tell tells where the subscription stands.
func (r *run) tell() {
	if r.Served == nil {
		return
	}
	told := Serving{Topic: r.reg.Topic, ID: r.reg.ID, Next: r.window.next(), Head: r.head.Position, Parked: r.st.Parked}
	if len(r.window.entries) > 0 {
		told.Waiting = r.window.entries[0].event.Recorded
	}
	r.Served(told)
}

// tellPassed tells that nothing is left to deliver.
func (s *Service) tellPassed(sub *subscription, head core.Head) {
	if s.Served != nil {
		s.Served(Serving{Topic: sub.reg.Topic, ID: sub.reg.ID, Next: head.Position + 1, Head: head.Position})
	}
}

func (s *Service) newRun(sub *subscription, log core.Log, now, end time.Time) *run {
	st := *sub.st
	return &run{Service: s, sub: sub, log: log, me: rand.Text(), end: end, reg: sub.reg, st: &st, version: sub.version, begun: now, renewed: now,
		window: window{read: st.Next, most: sizeOfWindow(sub.reg.Batch)}, held: map[string]int{}, busy: map[string]bool{}, holds: map[string]*hold{},
		limit: leastFirst, units: map[*unit]bool{}, result: make(chan *unit, 2*mostFirst+mostAgain)}
}

// work reports whether there may be something to do now.
func (r *run) work(now time.Time) bool {
	until := now.Add(r.Linger)
	switch {
	case r.sub.relist || r.st.Rewinding || r.head.Position < r.st.Seen.Position || r.head.Position == r.st.Seen.Position && r.st.Seen != placeOf(r.head):
		return true
	case r.st.Quiet.After(until):
		return false
	case r.st.Held > r.st.Parked && !r.st.NextAttempt.After(until):
		return true
	}
	return r.st.Next <= r.head.Position && (r.st.Failures < several || !r.st.Backoff.After(until))
}

// deliver checks that the log is still the one that was delivered from, and serves the subscription.
func (r *run) deliver(ctx context.Context) (again bool, err error) {
	if reason, err := r.replaced(ctx); err != nil || reason != "" {
		if err == nil {
			stopped := *r.st
			stopped.Stopped = reason
			err = r.writeState(ctx, stopped)
			r.keep()
		}
		return false, err
	}
	if r.st.taken(r.begun, r.me) {
		return false, errTaken
	}
	if r.sub.relist || r.st.Rewinding || r.st.Held > 0 || len(r.st.Cleared) > 0 || r.st.Holder != "" {
		if err := r.listHolds(ctx); err != nil {
			return false, err
		}
	}
	r.sub.relist = false
	if err := r.serve(ctx); err != nil {
		return false, err
	}
	r.keep()
	return r.dueBy(r.until()) && !r.gone, nil
}

// keep remembers the state for the next run.
func (r *run) keep() {
	r.sub.st, r.sub.version, r.sub.at = r.st, r.version, r.Now()
}

// replaced says why the log can't be the one that was delivered from; "" when it can.
func (r *run) replaced(ctx context.Context) (string, error) {
	seen := r.st.Seen
	if seen.Position == 0 {
		return "", nil
	}
	if r.head.Position < seen.Position {
		return fmt.Sprintf("the topic ends at position %d, and was delivered up to %d: it is not the one it was; rewind to go on", r.head.Position, seen.Position), nil
	}
	hash := r.head.Hash
	if r.head.Position != seen.Position {
		for e, err := range r.log.Read(ctx, core.Query{From: seen.Position, To: seen.Position}) {
			if err != nil {
				return "", err
			}
			hash = e.Hash
		}
	}
	if hash.String() != seen.Hash {
		return fmt.Sprintf("the topic has another event at position %d than was delivered: it is not the one it was; rewind to go on", seen.Position), nil
	}
	return "", nil
}
