package subscribers

import (
	"context"
	"errors"
	"fmt"

	"eventstore/core"
)

// Registered is what registering a subscription led to.
type Registered struct {
	Status
	Created bool   // false: it was renewed, and all but its expiry is as it was
	Secret  string // of one that was created; it is told here only
}

// Subscribe registers a subscription, or renews the one of the same topic, callback, filter and
// name. Repeating it after any failure is safe. Errors: a [core.InvalidError], a
// [core.RefusedError], the topic's, core.ErrUnavailable.
func (s *Service) Subscribe(ctx context.Context, q Request) (Registered, error) {
	reg, err := newRegistration(q, s.Now())
	if err != nil {
		return Registered{}, err
	}
	if err := s.Sender.Check(ctx, q.Callback); err != nil {
		return Registered{}, err
	}
	log, err := s.Open(ctx, q.Topic)
	if err != nil {
		return Registered{}, err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return Registered{}, err
	}
	for range tries {
		done, err := s.register(ctx, q, reg, log, head)
		if !errors.Is(err, core.ErrConflict) {
			return done, err
		}
	}
	return Registered{}, changing(reg.key())
}

// register makes one attempt. ErrConflict: the registration was changed meanwhile.
func (s *Service) register(ctx context.Context, q Request, reg *registration, log core.Log, head core.Head) (Registered, error) {
	stored := new(registration)
	version, err := s.store.get(ctx, registrations, reg.key(), stored)
	if err != nil {
		return Registered{}, err
	}
	if version != "" && s.Now().Before(stored.Expires) {
		stored.Expires, stored.Mark = expiry(q, s.Now()), mark()
		return s.save(ctx, stored, version, false)
	}
	if err := s.roomFor(ctx, reg); err != nil {
		return Registered{}, err
	}
	permission, err := s.Sender.Handshake(ctx, q.Callback, s.Origin)
	if err != nil {
		return Registered{}, err
	}
	reg.Verified, reg.Rate = permission.Verified, permission.Rate
	if err := s.createState(ctx, q, reg, log, head); err != nil {
		return Registered{}, err
	}
	done, err := s.save(ctx, reg, version, true)
	switch {
	case errors.Is(err, core.ErrConflict):
		s.cleanUnless(ctx, reg) // another instance was first, or has renewed what this one wrote
	case err == nil && version != "":
		s.cleanLife(ctx, stored) // it had expired
	}
	return done, err
}

// roomFor refuses one subscription more than a topic may have. The count is as old as what is remembered, so that
// instances which register at once may go a little beyond.
func (s *Service) roomFor(ctx context.Context, reg *registration) error {
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if n := len(s.subscriptions(reg.Topic)); n >= s.Most {
		return core.Invalid("callback", "the topic %s has %d subscriptions, and the most is %d: delete one that is not needed any more", reg.Topic, n, s.Most)
	}
	return nil
}

// createState writes the state that a new registration begins with. Until the registration is
// written nobody looks at it.
func (s *Service) createState(ctx context.Context, q Request, reg *registration, log core.Log, head core.Head) error {
	st, err := s.startAt(ctx, q.From, log, head)
	if err != nil {
		return err
	}
	w, err := put(states, reg.stateKey(), "", st)
	if err != nil {
		return err
	}
	_, err = s.store.write(ctx, w)
	if errors.Is(err, core.ErrConflict) {
		return nil // an attempt before this one wrote it
	}
	return err
}

// startAt is the state of a subscription whose next position is from; 0 is the one behind the head.
func (s *Service) startAt(ctx context.Context, from core.Position, log core.Log, head core.Head) (*state, error) {
	st := &state{Mark: mark(), Next: from}
	if from == 0 || from == head.Position+1 {
		st.Next, st.Seen = head.Position+1, placeOf(head)
	} else if from > head.Position {
		st.Seen = placeOf(head)
	} else {
		seen, err := s.placeAt(ctx, from-1, log)
		if err != nil {
			return nil, err
		}
		st.Seen = seen
	}
	if st.Seen.Position == 0 {
		st.Seen = place{}
	}
	return st, nil
}

func (s *Service) placeAt(ctx context.Context, position core.Position, log core.Log) (place, error) {
	if position == 0 {
		return place{}, nil
	}
	for e, err := range log.Read(ctx, core.Query{From: position, To: position}) {
		if err != nil {
			return place{}, err
		}
		return placeOf(e.Head()), nil
	}
	return place{}, fmt.Errorf("%w: position %d can't be read", core.ErrCorrupt, position)
}

// cleanUnless deletes what belongs to a registration, unless it stands.
func (s *Service) cleanUnless(ctx context.Context, reg *registration) {
	stored := new(registration)
	if _, err := s.store.get(ctx, registrations, reg.key(), stored); err == nil && stored.Life != reg.Life {
		s.cleanLife(ctx, reg)
	}
}

// cleanLife deletes what belongs to a registration that is not there any more, or never was: its
// life's documents alone, since another's may be coming into being beside.
func (s *Service) cleanLife(ctx context.Context, reg *registration) {
	s.endState(ctx, reg)
	s.store.clean(ctx, holds, reg.stateKey()+"/")
}

// save writes a registration and answers with what it is now.
func (s *Service) save(ctx context.Context, reg *registration, version string, created bool) (Registered, error) {
	w, err := put(registrations, reg.key(), version, reg)
	if err != nil {
		return Registered{}, err
	}
	if _, err := s.store.write(ctx, w); err != nil {
		return Registered{}, err
	}
	s.changed(reg.key())
	status, err := s.Get(ctx, reg.Topic, reg.ID)
	done := Registered{Status: status, Created: created}
	if created {
		done.Secret = reg.Secret
	}
	return done, err
}
