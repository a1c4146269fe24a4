package subscribers

import (
	"context"
	"errors"
	"sync"
	"time"
)

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
