package subscribers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
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

// Deliver makes the deliveries that are due, of all subscriptions, and returns when none is left
// or its time is over. A topic or receiver that fails holds up none of the others; it is logged
// and tried again by a later call. Any number of calls may coincide, here and elsewhere.
func (s *Service) Deliver(ctx context.Context) error {
	if err := s.refresh(ctx); err != nil {
		return err
	}
	s.heads.forget()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopped, cancel)()
	end := s.Now().Add(s.Pass)
	var serving sync.WaitGroup
	for _, sub := range s.subscriptions("") {
		serving.Go(func() { s.attend(ctx, sub, end) })
	}
	serving.Wait()
	return ctx.Err()
}

// Nudge says that a topic has new events, so that they are delivered without waiting for the
// timer. It returns at once.
func (s *Service) Nudge(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if _, under := s.nudged[topic]; under {
		s.nudged[topic] = true
		return
	}
	if s.nudged == nil {
		s.nudged = map[string]bool{}
	}
	s.nudged[topic] = false
	s.running.Go(func() { s.nudge(topic) })
}

// nudge wakes a topic's subscriptions until no nudge has come meanwhile.
func (s *Service) nudge(topic string) {
	for again := true; again; {
		if err := s.refresh(s.stopped); err != nil {
			s.Log.Warn("listing subscriptions", "error", err)
		}
		s.heads.moved(topic)
		for _, sub := range s.passAll(s.stopped, topic) {
			s.wake(sub)
		}
		s.mu.Lock()
		if again = s.nudged[topic] && !s.closed; again {
			s.nudged[topic] = false
		} else {
			delete(s.nudged, topic)
		}
		s.mu.Unlock()
	}
}

// wake has a subscription served, in the background, unless that is going on.
func (s *Service) wake(sub *subscription) {
	select {
	case sub.wake <- struct{}{}:
	default: // whoever serves it has not looked since
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.serving || s.closed {
		return
	}
	s.running.Go(func() { s.attend(s.stopped, sub, s.Now().Add(s.Pass)) })
}

// attend serves a subscription until it needs nothing, or waits for who does.
func (s *Service) attend(ctx context.Context, sub *subscription, end time.Time) {
	for taken := 0; ctx.Err() == nil && s.Now().Before(end); {
		done := s.claim(sub)
		if done != nil {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
		again, err := s.turn(ctx, sub, end)
		s.unclaim(sub)
		if taken++; errors.Is(err, errTaken) && taken <= leaseTries {
			again = s.sleep(ctx, time.Second)
		}
		if !again && len(sub.wake) == 0 {
			return
		}
	}
}

// leaseTries is how often, a second apart, a subscription is looked at again that another instance
// serves: once more than its lease takes to end.
const leaseTries = 6

// sleep waits, and reports whether ctx still runs.
func (s *Service) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// claim makes the caller the one who serves a subscription in this process; where there is
// another, it returns what is closed when that ends.
func (s *Service) claim(sub *subscription) (done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.serving {
		return sub.done
	}
	sub.serving, sub.done = true, make(chan struct{})
	return nil
}

func (s *Service) unclaim(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.serving = false
	close(sub.done)
}

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

// refresh lists the registrations, where that was not done lately.
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
