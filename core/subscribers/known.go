package subscribers

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"eventstore/core"
)

// subscription is what this process remembers of one. Its documents' values are never changed in
// place, but by the run that serves it.
type subscription struct {
	key string

	// Guarded by the service's mu; while serving is true the run's alone, but for serving and wake.
	reg        *registration
	regVersion string
	st         *state // nil: not read yet, or known to be out of date
	version    string
	at         time.Time     // when st was read or written
	regAt      time.Time     // when reg was read
	stored     core.Position // Next of st as it is stored
	written    time.Time     // when st was last written
	relist     bool          // holds are to be listed, whatever the state says
	serving    bool
	done       chan struct{} // closed when serving ends
	wake       chan struct{} // of one: there is something new

	stale atomic.Bool // what is remembered is out of date
}

// topic is the name of its topic.
func (s *subscription) topic() string {
	name, _, _ := strings.Cut(s.key, "/")
	return name
}

// load reads what is not known, or has been for too long.
func (s *Service) load(ctx context.Context, sub *subscription) error {
	if sub.stale.Swap(false) {
		sub.st, sub.relist = nil, true
	}
	if sub.reg != nil && sub.st != nil && s.Now().Sub(sub.at) < s.Refresh {
		return nil
	}
	reg, regVersion, regAt := sub.reg, sub.regVersion, sub.regAt
	if reg == nil || sub.st == nil || s.Now().Sub(regAt) >= s.Refresh {
		reg, regAt = new(registration), s.Now()
		var err error
		if regVersion, err = s.store.get(ctx, registrations, sub.key, reg); err != nil {
			return err
		}
	}
	if regVersion == "" {
		s.forget(sub)
		return nil
	}
	st := new(state)
	version, err := s.store.get(ctx, states, reg.stateKey(), st)
	if err != nil {
		return err
	}
	if version == "" && reg == sub.reg {
		sub.reg = nil // it may have been deleted since it was read
		return s.load(ctx, sub)
	}
	if version == "" {
		return fmt.Errorf("%w: the delivery state of %s is not there", core.ErrCorrupt, sub.key)
	}
	if sub.reg != nil && sub.reg.Life != reg.Life {
		sub.relist = true
	}
	if version != sub.version || sub.st == nil {
		sub.st, sub.stored = st, st.Next
	}
	sub.reg, sub.regVersion, sub.regAt, sub.version, sub.at = reg, regVersion, regAt, version, s.Now()
	return nil
}

// refresh lists the registrations and states, where that was not done lately: a listing costs less than reading each.
func (s *Service) refresh(ctx context.Context) error {
	s.mu.Lock()
	recent := !s.refreshed.IsZero() && s.Now().Sub(s.refreshed) < s.Refresh
	s.mu.Unlock()
	if recent {
		return nil
	}
	begun, found := s.Now(), map[string]bool{}
	for document, err := range s.Documents.List(ctx, registrations, core.ListQuery{}) {
		if err != nil {
			return fmt.Errorf("listing subscriptions: %w", err)
		}
		found[document.Key] = true
		s.rememberAs(document, begun)
	}
	for document, err := range s.Documents.List(ctx, states, core.ListQuery{}) {
		if err != nil {
			return fmt.Errorf("listing the states of subscriptions: %w", err)
		}
		s.rememberState(document, begun)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshed = begun
	maps.DeleteFunc(s.known, func(key string, sub *subscription) bool { return !found[key] && !sub.serving && sub.at.Before(begun) })
	return nil
}

// remember makes a subscription known to this process.
func (s *Service) remember(key string) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[key] == nil {
		s.known[key] = &subscription{key: key, wake: make(chan struct{}, 1)}
	}
	return s.known[key]
}

// rememberAs remembers a registration as it was listed, unless whoever serves it knows better.
func (s *Service) rememberAs(document core.Document, at time.Time) {
	sub, reg := s.remember(document.Key), new(registration)
	if decode(registrations, document, reg) != nil {
		return // who serves it will say so
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.serving || sub.regVersion == document.Version && sub.reg != nil {
		if !sub.serving {
			sub.regAt = at
		}
		return
	}
	sub.relist = sub.relist || sub.reg != nil && sub.reg.Life != reg.Life
	sub.reg, sub.regVersion, sub.regAt, sub.st = reg, document.Version, at, nil
}

// rememberState remembers a state as it was listed, unless whoever serves its subscription knows better.
func (s *Service) rememberState(document core.Document, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.known[path.Dir(document.Key)]
	if sub == nil || sub.serving || sub.reg == nil || sub.reg.stateKey() != document.Key || sub.at.After(at) {
		return
	}
	if st := new(state); sub.st == nil || sub.version != document.Version {
		if decode(states, document, st) != nil {
			return // who serves it will say so
		}
		sub.st, sub.stored, sub.version = st, st.Next, document.Version
	}
	sub.at = at
}

func (s *Service) forget(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.reg, sub.st = nil, nil
	if s.known[sub.key] == sub {
		delete(s.known, sub.key)
	}
}

// subscriptions are those known of a topic, or with "" all, in order.
func (s *Service) subscriptions(topic string) []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var some []*subscription
	for _, key := range slices.Sorted(maps.Keys(s.known)) {
		if sub := s.known[key]; topic == "" || sub.topic() == topic {
			some = append(some, sub)
		}
	}
	return some
}
