package subscribers

import (
	"context"
	"time"

	"eventstore/core"
)

// mostUnwritten is how many positions a subscription that has nothing to deliver goes past before that is
// written down: whoever knows of none of them looks at so many again, which costs less than the writes.
const (
	mostUnwritten = tailEvents / 2
	writeEvery    = time.Minute // and no more often than so
)

// writable reports whether it is time to write down how far a subscription has come that has nothing to deliver.
func (s *subscription) writable(next core.Position, now time.Time) bool {
	return next-s.stored > mostUnwritten && now.Sub(s.written) >= writeEvery
}

// passes moves a subscription on past events of which none is for it, and reports whether that is all there is to do.
// Nothing is read or written: events are those from the last that it has seen on, up to the head. The caller serves the
// subscription, or holds mu while nobody does.
func (s *subscription) passes(head core.Head, events []core.Event, now time.Time) bool {
	if s.reg == nil || s.st == nil || s.relist || s.stale.Load() || !s.st.idle() || head.Position < s.st.Next {
		return false
	}
	if len(events) == 0 || events[0].Position > max(s.st.Seen.Position, 1) || s.writable(head.Position+1, now) {
		return false
	}
	filter := s.reg.filter()
	for i := range events {
		e := &events[i]
		if e.Position == s.st.Seen.Position && placeOf(e.Head()) != s.st.Seen || e.Position >= s.st.Next && filter.Match(e) {
			return false
		}
	}
	next := *s.st
	next.Next, next.Seen = head.Position+1, placeOf(head)
	s.st = &next
	return true
}

// idle reports whether a state says that everything before Next was delivered, and nothing else.
func (s *state) idle() bool {
	return s.Held == 0 && !s.Rewinding && len(s.Cleared) == 0 && s.Holder == "" && s.Stopped == "" && s.Seen.Position == s.Next-1
}

// passAll moves on all subscriptions of a topic that have nothing to deliver, and returns the others.
func (s *Service) passAll(ctx context.Context, topic string) []*subscription {
	all := s.subscriptions(topic)
	if len(all) < 2 {
		return all
	}
	log, err := s.Open(ctx, topic)
	if err != nil {
		return all
	}
	var others []*subscription
	for _, sub := range all {
		if !s.passed(ctx, sub, log) {
			others = append(others, sub)
		}
	}
	return others
}

// passed is passes for a subscription that nobody serves.
func (s *Service) passed(ctx context.Context, sub *subscription, log core.Log) bool {
	s.mu.Lock()
	known := !sub.serving && sub.st != nil && sub.st.idle()
	var seen core.Position
	if known {
		seen = sub.st.Seen.Position
	}
	s.mu.Unlock()
	if !known {
		return false
	}
	head, events, err := s.heads.news(ctx, sub.topic(), log, seen, s.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || sub.serving || !sub.passes(head, events, s.Now()) {
		return false
	}
	s.tellPassed(sub, head)
	return true
}
