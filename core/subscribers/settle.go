package subscribers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"eventstore/core"
	"eventstore/core/cloudevents"
)

// delivery is what a unit sends: the same bytes at every attempt.
func (r *run) delivery(u *unit, now time.Time) core.Delivery {
	d := core.Delivery{Callback: r.reg.Callback, ID: deliveryID(r.reg, r.st.Rewinds, u.events), Secrets: r.reg.secrets(now), Topic: r.reg.Topic, Events: u.events}
	if r.reg.Batch > 1 {
		d.ContentType, d.Body = cloudevents.BatchMediaType, cloudevents.AppendBatch(nil, u.events)
	} else {
		d.ContentType, d.Body = cloudevents.MediaType, cloudevents.Append(nil, &u.events[0])
	}
	if r.reg.Verified {
		d.Origin = r.Origin
	}
	return d
}

// settle takes in a delivery's result.
func (r *run) settle(u *unit) {
	delete(r.units, u)
	switch {
	case u.slow:
		r.slow--
	case u.hold != nil:
		r.again--
	default:
		r.first--
	}
	if u.hold != nil {
		u.hold.busy = false
	}
	for _, e := range u.entries {
		e.sent = false
		delete(r.busy, e.lane)
	}
	switch {
	case errors.Is(u.err, context.Canceled), errors.Is(u.err, context.DeadlineExceeded):
		return // the sender was stopped; whether it arrived is not known
	case u.err == nil && u.answer.Status/100 == 2:
		r.delivered(u)
	case u.err == nil && u.answer.Status == http.StatusGone:
		r.gone = true
	default:
		r.failed(u, why(u))
	}
}

// why says what was wrong with an answer. Nothing in it is the receiver's own words.
func why(u *unit) string {
	if u.err != nil {
		return u.err.Error()
	}
	text := fmt.Sprintf("answered %d %s", u.answer.Status, http.StatusText(u.answer.Status))
	if u.answer.Status/100 == 3 {
		return text + ", and redirects are not followed"
	}
	return text
}

func (r *run) delivered(u *unit) {
	r.st.Delivered += int64(len(u.events))
	r.st.Failures, r.st.Level, r.st.Backoff = 0, 0, time.Time{}
	if u.hold == nil {
		r.limit = min(r.limit+1, mostFirst)
		for _, e := range u.entries {
			e.done = true
		}
		return
	}
	u.hold.advance(r.reg.Batch, r.Now())
}

// advance moves a hold on past its events, which were delivered.
func (h *hold) advance(batch int, now time.Time) {
	h.From = h.Events[len(h.Events)-1] + 1
	h.queue = h.queue[len(h.Events):]
	h.Events, h.Attempts, h.Error, h.Next, h.dirty = nil, 0, "", now, true
	h.take(batch)
}

// take makes the first events of what was read ahead the next delivery.
func (h *hold) take(batch int) {
	if len(h.queue) == 0 {
		return
	}
	most := batch
	if h.queue[0].Position > h.Until {
		h.Until, h.Size = 0, 0
	} else if h.Size > 0 {
		most = min(h.Size, batch)
	}
	bytes := 0
	n := 0
	for n < min(most, len(h.queue)) {
		if bytes += sizeOf(&h.queue[n]); n > 0 && (bytes > windowBytes || h.Size > 0 && h.queue[n].Position > h.Until) {
			break
		}
		n++
	}
	h.setEvents(h.queue[:n])
}

// failed takes in that a delivery was not acknowledged.
func (r *run) failed(u *unit, reason string) {
	now := r.Now()
	h := u.hold
	if u.slow || h == nil {
		r.backOff(now)
	}
	if h == nil {
		h = r.heldBack(u, now)
	} else {
		if h.Attempts == 0 && h.Size == 0 {
			h.Since = core.Truncate(now)
		}
		r.letGo(h, u.events, now)
	}
	h.Attempts++
	h.Error, h.dirty = reason, true
	h.Next = core.Truncate(r.Retry.next(now, h.Attempts, u.answer.RetryAfter))
	if u.answer.RetryAfter > 0 && (u.answer.Status == http.StatusTooManyRequests || u.answer.Status == http.StatusServiceUnavailable) {
		r.st.Quiet = later(r.st.Quiet, now.Add(min(u.answer.RetryAfter, maxRetryAfter)))
	}
	if h.Next.Sub(now) > patience {
		h.queue = nil
	}
	if h.Size > 0 || r.Retry.last(h.Attempts) {
		r.lastFailed(h, u.events, now)
	}
	r.Log.Info("delivery failed", "topic", r.reg.Topic, "subscription", r.reg.ID, "position", h.From, "events", len(u.events),
		"attempts", h.Attempts, "parked", h.Parked, "reason", reason)
}

// heldBack makes the hold of a first attempt. Later events of its lanes wait behind it.
func (r *run) heldBack(u *unit, now time.Time) *hold {
	h := newHold(u.events, r.st.Rewinds, now)
	h.queue = u.events
	r.attach(h)
	for _, e := range u.entries {
		e.done = true
	}
	u.hold = h
	return h
}

// letGo gives the subjects of a hold that have no event in its delivery, which failed, a hold of their own: they
// were in one that failed before, and have nothing to do with this one.
func (r *run) letGo(h *hold, events []core.Event, now time.Time) {
	others := slices.DeleteFunc(slices.Clone(h.Subjects), func(subject string) bool {
		return slices.ContainsFunc(events, func(e core.Event) bool { return e.Subject == subject })
	})
	if len(others) == 0 {
		return
	}
	other := &hold{Rewinds: h.Rewinds, Subjects: others, From: h.From, Since: h.Since, Next: core.Truncate(now), name: "b" + strconv.FormatInt(int64(h.From), 10), dirty: true}
	r.detach(h, other)
	r.attach(other)
	h.queue = h.queue[:min(len(h.queue), len(h.Events))] // what follows may be of those
}

// moveOn makes holds of first attempts that take long, so that nothing waits for them but the
// later events of their lanes. Should this process vanish, they are repeated after a while.
func (r *run) moveOn(now time.Time) {
	for u := range r.units {
		if u.hold != nil || now.Sub(u.begun) < patience {
			continue
		}
		for _, e := range u.entries {
			e.sent = false
			delete(r.busy, e.lane)
		}
		h := r.heldBack(u, now)
		h.busy, h.Next = true, core.Truncate(now.Add(interrupted))
		u.entries, u.slow = nil, true
		r.first--
		r.slow++
		r.limit = leastFirst
	}
}

// attach lets a hold keep back its lanes.
func (r *run) attach(h *hold) {
	for r.holds[h.name] != nil {
		h.name += "+" + mark()[:6]
	}
	if at := slices.IndexFunc(r.voids, func(v cleared) bool { return v.Name == h.name }); at >= 0 && h.version == "" {
		h.version = r.voids[at].Version // one that is over and still stored: the new one replaces it
		r.voids = slices.Delete(r.voids, at, at+1)
	}
	r.holds[h.name] = h
	h.covers = h.lanes()
	covered := map[string]bool{}
	for _, lane := range h.covers {
		r.held[lane]++
		covered[lane] = true
	}
	r.window.hold(func(lane string) bool { return covered[lane] })
}

// release ends a hold: what it kept back has been delivered, as far as the window has read.
func (r *run) release(h *hold) {
	for _, lane := range h.covers {
		if r.held[lane]--; r.held[lane] == 0 {
			delete(r.held, lane)
		}
	}
	delete(r.holds, h.name)
	if h.version != "" {
		r.voids = append(r.voids, cleared{h.name, h.version})
	}
}

// backOff counts first attempts that fail in a row. When there are several, the whole
// subscription waits, ever longer, and tries one at a time.
func (r *run) backOff(now time.Time) {
	r.limit = max(leastFirst, r.limit/2)
	r.st.Failures++
	if r.st.Failures >= several && !now.Before(r.st.Backoff) {
		r.st.Level++
		r.st.Backoff = core.Truncate(r.Retry.next(now, r.st.Level, 0))
	}
}

// lastFailed parks a single event whose last attempt failed; a batch is taken apart to find it.
func (r *run) lastFailed(h *hold, events []core.Event, now time.Time) {
	if len(events) == 1 {
		h.Parked, h.Size, h.queue = true, 0, nil
		return
	}
	size := (len(events) + 1) / 2
	until := max(h.Until, events[len(events)-1].Position)
	if h.Size == 0 {
		until = events[len(events)-1].Position
	}
	left, right := halve(events, size)
	h.halved(left, size, until, now)
	if len(right) > 0 {
		other := newHold(right, h.Rewinds, h.Since)
		other.Error = h.Error
		other.halved(right, size, until, now)
		r.detach(h, other)
		r.attach(other)
	}
}

// halve splits a batch into its first size events and those after them that are of other lanes;
// the rest is found again behind the first.
func halve(events []core.Event, size int) (left, right []core.Event) {
	left = events[:size]
	lanes := map[string]bool{}
	for i := range left {
		lanes[lane(&left[i])] = true
	}
	for i := range events[size:] {
		if e := &events[size+i]; !lanes[lane(e)] {
			right = append(right, *e)
		}
	}
	return left, right
}

// halved makes a part of a batch a hold's next delivery, which has one attempt.
func (h *hold) halved(events []core.Event, size int, until core.Position, now time.Time) {
	h.setEvents(events)
	h.queue, h.Size, h.Until, h.Next, h.dirty = slices.Clone(events), size, until, now, true
	h.Attempts = max(h.Attempts, 1)
}

// detach takes from a hold the lanes that another takes over. Subjects of neither stay.
func (r *run) detach(h, other *hold) {
	for _, lane := range h.covers {
		if r.held[lane]--; r.held[lane] == 0 {
			delete(r.held, lane)
		}
	}
	h.Subjects = slices.DeleteFunc(h.Subjects, func(subject string) bool { return slices.Contains(other.Subjects, subject) })
	h.covers = h.lanes()
	for _, lane := range h.covers {
		r.held[lane]++
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
