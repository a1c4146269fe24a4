package subscribers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventstore/core"
)

// readAhead is the most events that are read for a hold at once.
const readAhead = 64

// prepare reads what a hold's next attempt sends; false when nothing is left to deliver.
func (r *run) prepare(ctx context.Context, h *hold) (bool, error) {
	if len(h.Events) == 0 && len(h.queue) == 0 {
		if err := r.readFollowing(ctx, h); err != nil {
			return false, err
		}
	}
	if len(h.Events) == 0 {
		h.take(r.reg.Batch)
		return len(h.Events) > 0, nil
	}
	if len(h.queue) < len(h.Events) {
		return true, r.readEvents(ctx, h)
	}
	return true, nil
}

// readFollowing reads what of the hold's subjects the window went past.
func (r *run) readFollowing(ctx context.Context, h *hold) error {
	if len(h.Subjects) == 0 || h.From >= r.window.read {
		return nil
	}
	item := core.Item{Types: r.reg.Types, Tags: r.reg.Tags, Subjects: h.Subjects}
	query := core.Query{From: h.From, To: r.window.read - 1, Filter: core.Filter{item}, Limit: max(readAhead, r.reg.Batch)}
	bytes := 0
	for e, err := range r.log.Read(ctx, query) {
		if err != nil {
			return err
		}
		h.queue = append(h.queue, e)
		if bytes += sizeOf(&e); bytes >= windowBytes {
			break
		}
	}
	return nil
}

// readEvents reads again the events of an attempt.
func (r *run) readEvents(ctx context.Context, h *hold) error {
	h.queue = nil
	query := core.Query{From: h.Events[0], To: h.Events[len(h.Events)-1], Filter: r.reg.filter()}
	for e, err := range r.log.Read(ctx, query) {
		if err != nil {
			return err
		}
		if slices.Contains(h.Events, e.Position) {
			h.queue = append(h.queue, e)
		}
	}
	if len(h.queue) != len(h.Events) {
		return fmt.Errorf("%w: of %d events that wait for delivery from position %d on, the log has %d", core.ErrCorrupt, len(h.Events), h.Events[0], len(h.queue))
	}
	return nil
}

// acquire takes the lease, which at once proves that the state is still what was read.
func (r *run) acquire(ctx context.Context, now time.Time) error {
	if r.mine {
		return nil
	}
	if r.st.taken(now, r.me) {
		return errTaken
	}
	return r.checkpoint(ctx, false)
}

// errTaken: another instance serves the subscription now.
var errTaken = errors.New("another instance serves the subscription")

// checkpoint records how far the run has come: holds first, then the state, then holds that
// are over are deleted. release gives the lease back, else it is taken or renewed.
func (r *run) checkpoint(ctx context.Context, release bool) error {
	now := r.Now()
	r.moveOn(now)
	if err := r.writeHolds(ctx); err != nil {
		return err
	}
	next := *r.st
	r.summarize(&next)
	next.Holder, next.Until = r.me, now.Add(leaseTime)
	if release {
		next.Holder, next.Until = "", time.Time{}
	}
	if err := r.writeState(ctx, next); err != nil {
		return err
	}
	r.mine, r.renewed = !release, now
	r.deleteVoids(ctx)
	return nil
}

// writeState writes the state, if it is still the one that was read.
func (r *run) writeState(ctx context.Context, next state) error {
	next.Mark = mark()
	w, err := put(states, r.reg.stateKey(), r.version, &next)
	if err != nil {
		return err
	}
	version, err := r.store.write(ctx, w)
	if errors.Is(err, core.ErrConflict) {
		return errFenced
	}
	if err != nil {
		return err
	}
	*r.st, r.version, r.sub.stored, r.sub.written = next, version, next.Next, r.Now()
	return nil
}

// summarize brings a state up to date with the run.
func (r *run) summarize(st *state) {
	st.Rewinding = false
	st.Next, st.Seen = r.window.next(), r.seen()
	st.Cleared = r.voids
	st.Held, st.Parked = len(r.holds), 0
	st.Attempts, st.NextAttempt, st.LastError = 0, time.Time{}, ""
	var told *hold
	for _, h := range r.holds {
		if h.Parked {
			st.Parked++
		} else if st.NextAttempt.IsZero() || h.Next.Before(st.NextAttempt) {
			st.NextAttempt = h.Next
		}
		if h.Error != "" && (told == nil || told.Parked && !h.Parked || told.Parked == h.Parked && h.Next.Before(told.Next)) {
			told = h
		}
	}
	if told != nil {
		st.Attempts, st.LastError = told.Attempts, told.Error
	}
}

// seen is an event that was passed, the latest that is known.
func (r *run) seen() place {
	if next := r.window.next(); next == r.head.Position+1 && r.head.Position > 0 {
		return placeOf(r.head)
	}
	if r.window.passed.Position > 0 {
		return r.window.passed
	}
	return r.st.Seen
}

// writeHolds writes the holds that have changed; those that are new before the others, since
// another may have given up to a new one what it kept back.
func (r *run) writeHolds(ctx context.Context) error {
	var fresh, changed []*hold
	for _, h := range r.holds {
		if h.dirty && h.version == "" {
			fresh = append(fresh, h)
		} else if h.dirty {
			changed = append(changed, h)
		}
	}
	if err := r.writeAll(ctx, fresh); err != nil {
		return err
	}
	return r.writeAll(ctx, changed)
}

func (r *run) writeAll(ctx context.Context, some []*hold) error {
	if len(some) == 0 {
		return nil
	}
	writes := make([]core.Write, len(some))
	for i, h := range some {
		h.Mark = mark()
		w, err := put(holds, r.reg.stateKey()+"/"+h.name, h.version, h)
		if err != nil {
			return err
		}
		writes[i] = w
	}
	versions, err := r.Documents.Write(ctx, writes...)
	for i, h := range some {
		if i < len(versions) && versions[i] != "" {
			h.version, h.dirty = versions[i], false
			continue
		}
		if err == nil || errors.Is(err, core.ErrUnavailable) {
			return fmt.Errorf("writing holds: %w", core.ErrUnavailable)
		}
		version, err := r.store.write(ctx, writes[i])
		if errors.Is(err, core.ErrConflict) {
			return errFenced
		}
		if err != nil {
			return err
		}
		h.version, h.dirty = version, false
	}
	return nil
}

// deleteVoids deletes the holds that the state says are over. What fails is left to the
// next time, since the state still says so.
func (r *run) deleteVoids(ctx context.Context) {
	if len(r.voids) == 0 {
		return
	}
	writes := make([]core.Write, len(r.voids))
	for i, v := range r.voids {
		writes[i] = core.Write{Collection: holds, Key: r.reg.stateKey() + "/" + v.Name, Expect: v.Version}
	}
	if _, err := r.Documents.Write(ctx, writes...); err == nil {
		r.voids = nil
		return
	}
	r.voids = slices.DeleteFunc(r.voids, func(v cleared) bool {
		document, err := r.Documents.Get(ctx, holds, r.reg.stateKey()+"/"+v.Name)
		return errors.Is(err, core.ErrNotFound) || err == nil && document.Version != v.Version
	})
}

// finish records the run's end. Where nothing was sent and little was passed it can wait.
func (r *run) finish(ctx context.Context) error {
	if r.mine || r.unwritten() {
		return r.checkpoint(ctx, true)
	}
	next := r.window.next()
	if next == r.st.Next && len(r.voids) == 0 {
		return nil
	}
	if len(r.voids) > 0 || r.sub.writable(next, r.Now()) {
		return r.checkpoint(ctx, true)
	}
	r.st.Next, r.st.Seen = next, r.seen() // remembered by this process alone
	return nil
}

// unwritten reports whether the state or a hold tells something else than is stored: holds were taken
// over, or whoever served the subscription before vanished between writing them and the state.
func (r *run) unwritten() bool {
	for _, h := range r.holds {
		if h.dirty {
			return true
		}
	}
	next := *r.st
	r.summarize(&next)
	return r.st.Rewinding || r.st.Holder != "" || next.Held != r.st.Held || next.Parked != r.st.Parked ||
		next.Attempts != r.st.Attempts || !next.NextAttempt.Equal(r.st.NextAttempt) || next.LastError != r.st.LastError
}

// listHolds reads the subscription's holds: those that count become the run's, the others
// are over.
func (r *run) listHolds(ctx context.Context) error {
	prefix := r.reg.stateKey() + "/"
	for document, err := range r.Documents.List(ctx, holds, core.ListQuery{Prefix: prefix}) {
		if err != nil {
			return fmt.Errorf("listing holds: %w", err)
		}
		h := &hold{version: document.Version, name: strings.TrimPrefix(document.Key, prefix)}
		if err := decode(holds, document, h); err != nil {
			return err
		}
		if r.takeOver(h) {
			r.attach(h)
		} else {
			r.voids = append(r.voids, cleared{h.name, h.version})
		}
	}
	return nil
}

// takeOver reports whether a stored hold counts. A rewind ends those behind it.
func (r *run) takeOver(h *hold) bool {
	if slices.Contains(r.st.Cleared, cleared{h.name, h.version}) {
		return false
	}
	if h.Rewinds < r.st.Rewinds && r.st.Rewinding && h.From < r.st.Next {
		h.Rewinds, h.dirty = r.st.Rewinds, true
	}
	return h.Rewinds == r.st.Rewinds
}
