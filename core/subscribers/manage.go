package subscribers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
)

// rotation is for how long the secret before the last rotation still signs.
const rotation = 24 * time.Hour

// tries bounds how often a change is made anew because another instance made one meanwhile.
const tries = 10

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

func changing(key string) error {
	return fmt.Errorf("%w: the subscription %s kept changing", core.ErrUnavailable, key)
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

// changed has a subscription read again here, and served.
func (s *Service) changed(key string) {
	sub := s.remember(key)
	sub.stale.Store(true)
	s.wake(sub)
}

// find reads a registration that has not expired.
func (s *Service) find(ctx context.Context, topic, id string) (reg *registration, version string, err error) {
	reg = new(registration)
	version, err = s.store.get(ctx, registrations, topic+"/"+id, reg)
	if err != nil {
		return nil, "", err
	}
	if version == "" || !s.Now().Before(reg.Expires) {
		return nil, "", ErrNotFound
	}
	return reg, version, nil
}

// Delete ends a subscription. Deliveries under way are not taken back.
func (s *Service) Delete(ctx context.Context, topic, id string) error {
	for range tries {
		reg, version, err := s.find(ctx, topic, id)
		if err != nil {
			return err
		}
		err = s.end(ctx, reg, version)
		if !errors.Is(err, core.ErrConflict) {
			return err
		}
	}
	return changing(topic + "/" + id)
}

// end deletes a registration, which ends the subscription, and then what belongs to it.
// The state goes first of that: without it whoever serves the subscription stops.
func (s *Service) end(ctx context.Context, reg *registration, version string) error {
	if _, err := s.store.write(ctx, core.Write{Collection: registrations, Key: reg.key(), Expect: version}); err != nil {
		return err
	}
	s.cleanLife(ctx, reg)
	s.changed(reg.key())
	return nil
}

// endState deletes the state of a registration that is gone. Where that fails, whoever serves the
// subscription finds out when it reads the registration again.
func (s *Service) endState(ctx context.Context, reg *registration) {
	for range tries {
		document, err := s.Documents.Get(ctx, states, reg.stateKey())
		if err != nil {
			return
		}
		if _, err := s.store.write(ctx, core.Write{Collection: states, Key: reg.stateKey(), Expect: document.Version}); !errors.Is(err, core.ErrConflict) {
			return
		}
	}
}

// remove ends a subscription whose receiver answered 410, unless it was changed since it was read.
func (s *Service) remove(ctx context.Context, sub *subscription) error {
	err := s.end(ctx, sub.reg, sub.regVersion)
	if errors.Is(err, core.ErrConflict) {
		return errFenced
	}
	if err == nil {
		s.Log.InfoContext(ctx, "subscription deleted: its receiver answered 410", "subscription", sub.key)
	}
	return err
}

// expire ends a subscription whose time is over, unless it was renewed.
func (s *Service) expire(ctx context.Context, sub *subscription) error {
	err := s.end(ctx, sub.reg, sub.regVersion)
	if errors.Is(err, core.ErrConflict) {
		return errFenced
	}
	return err
}

// Pause stops a subscription's deliveries until [Service.Resume].
func (s *Service) Pause(ctx context.Context, topic, id string) (Status, error) {
	return s.edit(ctx, topic, id, func(reg *registration) { reg.Paused = true })
}

// Resume ends a pause; what was published meanwhile is delivered.
func (s *Service) Resume(ctx context.Context, topic, id string) (Status, error) {
	return s.edit(ctx, topic, id, func(reg *registration) { reg.Paused = false })
}

// RotateSecret makes a new secret and returns it; the one before signs too for 24 h.
func (s *Service) RotateSecret(ctx context.Context, topic, id string) (string, error) {
	secret := newSecret()
	_, err := s.edit(ctx, topic, id, func(reg *registration) {
		reg.Previous, reg.PreviousUntil, reg.Secret = reg.Secret, core.Truncate(s.Now().Add(rotation)), secret
	})
	return secret, err
}

// edit changes a registration, and tells whoever serves it.
func (s *Service) edit(ctx context.Context, topic, id string, change func(*registration)) (Status, error) {
	for range tries {
		reg, version, err := s.find(ctx, topic, id)
		if err != nil {
			return Status{}, err
		}
		change(reg)
		reg.Mark = mark()
		w, err := put(registrations, reg.key(), version, reg)
		if err != nil {
			return Status{}, err
		}
		_, err = s.store.write(ctx, w)
		if errors.Is(err, core.ErrConflict) {
			continue
		}
		if err != nil {
			return Status{}, err
		}
		return s.editState(ctx, reg, func(*state) error { return nil })
	}
	return Status{}, changing(topic + "/" + id)
}

// Rewind has everything delivered again from a position on, under new ids. What is held back
// before it stays so.
func (s *Service) Rewind(ctx context.Context, topic, id string, from core.Position) (Status, error) {
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
	if from < 1 || from > head.Position+1 {
		return Status{}, core.Invalid("from", "%d is not from 1 to %d, the position after the head", from, head.Position+1)
	}
	fresh, err := s.startAt(ctx, from, log, head)
	if err != nil {
		return Status{}, err
	}
	return s.editState(ctx, reg, func(st *state) error {
		if from > st.Next && st.Stopped == "" {
			return core.Invalid("from", "%d is ahead of the next position to deliver, %d; events are not skipped", from, st.Next)
		}
		// What is held back of another log is not in this one: then nothing is taken over.
		fresh.Rewinds, fresh.Rewinding = st.Rewinds+1, st.Stopped == ""
		fresh.Held, fresh.Parked, fresh.Delivered = st.Held, st.Parked, st.Delivered
		fresh.Cleared, fresh.Quiet = st.Cleared, st.Quiet
		*st = *fresh
		return nil
	})
}

// Redrive makes the parked events due at once, in order and with all attempts before them.
func (s *Service) Redrive(ctx context.Context, topic, id string) (Status, error) {
	reg, _, err := s.find(ctx, topic, id)
	if err != nil {
		return Status{}, err
	}
	parked, err := s.parked(ctx, reg)
	if err != nil {
		return Status{}, err
	}
	now := core.Truncate(s.Now())
	for _, h := range parked {
		h.Parked, h.Attempts, h.Next, h.Mark = false, 0, now, mark()
		w, err := put(holds, reg.stateKey()+"/"+h.name, h.version, h)
		if err != nil {
			return Status{}, err
		}
		if _, err := s.store.write(ctx, w); err != nil && !errors.Is(err, core.ErrConflict) {
			return Status{}, err
		}
	}
	return s.editState(ctx, reg, func(st *state) error {
		st.Parked, st.NextAttempt, st.Attempts = 0, now, 0
		return nil
	})
}

// editState changes a state, by which whoever serves the subscription learns that it was
// changed, and has it served here.
func (s *Service) editState(ctx context.Context, reg *registration, change func(*state) error) (Status, error) {
	for range tries {
		st := new(state)
		version, err := s.store.get(ctx, states, reg.stateKey(), st)
		if err == nil && version == "" {
			err = ErrNotFound
		}
		if err == nil {
			err = change(st)
		}
		if err != nil {
			return Status{}, err
		}
		st.Mark = mark()
		w, err := put(states, reg.stateKey(), version, st)
		if err != nil {
			return Status{}, err
		}
		_, err = s.store.write(ctx, w)
		if errors.Is(err, core.ErrConflict) {
			continue
		}
		if err != nil {
			return Status{}, err
		}
		s.changed(reg.key())
		return s.Get(ctx, reg.Topic, reg.ID)
	}
	return Status{}, changing(reg.key())
}
