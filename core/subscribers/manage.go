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

func changing(key string) error {
	return fmt.Errorf("%w: the subscription %s kept changing", core.ErrUnavailable, key)
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
		if err := passUnmatched(ctx, reg, st, log, head); err != nil {
			return err
		}
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
