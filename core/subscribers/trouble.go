package subscribers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Trouble is why a subscription needs someone; it holds nothing secret.
type Trouble struct {
	Topic, ID, Reason string
}

const (
	// lagging is how long a subscription's oldest undelivered event may wait before that counts
	// as trouble.
	lagging = 5 * time.Minute
	// fresh is how old what this process remembers of a subscription may be for [Service.Troubles]: older than
	// the timer of Azure makes it between two runs.
	fresh = 90 * time.Second
	// lookAtOnce is how many subscriptions are looked at at once.
	lookAtOnce = 16
)

// Troubles reports the subscriptions that need someone: those that are stopped, have parked
// subjects, or lag. What it tells is at most 90 s old: where the timer runs, it reads no subscription anew. A topic
// that can't be read is not a subscription's trouble.
func (s *Service) Troubles(ctx context.Context) ([]Trouble, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	all := s.subscriptions("")
	found, errs := make([]Trouble, len(all)), make([]error, len(all))
	var looking sync.WaitGroup
	turns := make(chan struct{}, lookAtOnce)
	for i, sub := range all {
		turns <- struct{}{}
		looking.Go(func() {
			defer func() { <-turns }()
			found[i], errs[i] = s.troubleOf(ctx, sub)
		})
	}
	looking.Wait()
	var some []Trouble
	for _, t := range found {
		if t.Reason != "" {
			some = append(some, t)
		}
	}
	return some, errors.Join(errs...)
}

// troubleOf is the zero Trouble for a subscription that needs nobody.
func (s *Service) troubleOf(ctx context.Context, sub *subscription) (Trouble, error) {
	reg, st := s.remembered(sub)
	if reg == nil {
		reg = new(registration)
		if version, err := s.store.get(ctx, registrations, sub.key, reg); err != nil || version == "" {
			return Trouble{}, err
		}
	}
	if st == nil {
		st = new(state)
		if version, err := s.store.get(ctx, states, reg.stateKey(), st); err != nil || version == "" {
			return Trouble{}, err
		}
	}
	if reg.Paused || !s.Now().Before(reg.Expires) {
		return Trouble{}, nil
	}
	return Trouble{reg.Topic, reg.ID, s.trouble(ctx, reg, st)}, nil
}

// remembered is what this process knows of a subscription, as far as that is fresh.
func (s *Service) remembered(sub *subscription) (reg *registration, st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.serving || sub.stale.Load() { // it is changing
		return nil, nil
	}
	if s.Now().Sub(sub.at) <= fresh {
		st = sub.st
	}
	return sub.reg, st
}

func (s *Service) trouble(ctx context.Context, reg *registration, st *state) string {
	switch {
	case st.Stopped != "":
		return st.Stopped
	case st.Parked > 0:
		return fmt.Sprintf("%d parked subjects; the last error: %s", st.Parked, st.LastError)
	}
	e, err := s.oldest(ctx, reg, st)
	if err != nil || e == nil {
		return "" // the topic has a check of its own
	}
	if age := s.Now().Sub(e.Recorded); age > lagging {
		return fmt.Sprintf("lags: the event at position %d has waited for %v; the last error: %s", e.Position, age.Truncate(time.Second), st.LastError)
	}
	return ""
}

// oldest is the first event that is still to be delivered; nil where there is none.
func (s *Service) oldest(ctx context.Context, reg *registration, st *state) (*core.Event, error) {
	log, err := s.Open(ctx, reg.Topic)
	if errors.Is(err, topics.ErrTopicNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head, err := s.heads.head(ctx, reg.Topic, log, s.Now())
	if err != nil || st.Next > head.Position {
		return nil, err
	}
	for e, err := range log.Read(ctx, core.Query{From: st.Next, Limit: 1, Filter: reg.filter()}) {
		return &e, err
	}
	return nil, nil
}
