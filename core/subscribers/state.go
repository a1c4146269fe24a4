package subscribers

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"eventstore/core"
)

// state is how far a subscription has come. Every matching event before Next was delivered, or
// belongs to a hold. It is written only under the version it was read with, and behind the
// holds that it rests on.
type state struct {
	Mark string `json:"mark"`
	// Rewinds counts the rewinds. Holds of an earlier count are void, once those before
	// Next have been taken over, which Rewinding asks for.
	Rewinds   int           `json:"rewinds"`
	Rewinding bool          `json:"rewinding,omitempty"`
	Next      core.Position `json:"next"`
	// Seen is an event before Next, and its hash, by which another log in its place is told.
	Seen place `json:"seen"`
	// Cleared are holds that are over, and deleted behind this write. Until then they are void.
	Cleared []cleared `json:"cleared,omitempty"`
	// Held and Parked are the number of holds, and of those that are parked.
	Held      int   `json:"held,omitempty"`
	Parked    int   `json:"parked,omitempty"`
	Delivered int64 `json:"delivered,omitempty"`

	Failures int       `json:"failures,omitempty"` // first attempts that failed in a row
	Level    int       `json:"level,omitempty"`    // how often the subscription as a whole has backed off since
	Backoff  time.Time `json:"backoff,omitzero"`   // no first attempt before
	Quiet    time.Time `json:"quiet,omitzero"`     // no attempt at all before: Retry-After, an agreed rate

	// Attempts, NextAttempt and LastError tell about the hold that is due first.
	Attempts    int       `json:"attempts,omitempty"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	LastError   string    `json:"lastError,omitempty"`
	// Stopped is why nothing is delivered until somebody rewinds: the log is not the one that was
	// delivered from.
	Stopped string `json:"stopped,omitempty"`

	Holder string    `json:"holder,omitempty"` // who serves it now
	Until  time.Time `json:"until,omitzero"`   // and when that is over, unless it is renewed
}

type place struct {
	Position core.Position `json:"position"`
	Hash     string        `json:"hash,omitempty"`
}

func placeOf(head core.Head) place { return place{head.Position, head.Hash.String()} }

type cleared struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// The lease only keeps two instances from doing the same work twice.
const (
	leaseTime  = 5 * time.Second
	leaseRenew = 2 * time.Second
)

// taken reports whether somebody else serves the subscription now. A lease that ends further
// ahead than any is given is the work of a wrong clock and does not count.
func (s *state) taken(now time.Time, me string) bool {
	return s.Holder != "" && s.Holder != me && now.Before(s.Until) && !s.Until.After(now.Add(leaseTime))
}

// hold is a delivery that failed and what waits behind it: later events of Subjects are not
// delivered before it. Its key is its name.
type hold struct {
	Mark    string `json:"mark"`
	Rewinds int    `json:"rewinds"`
	// Subjects wait behind the hold; an event without one holds nothing back.
	Subjects []string `json:"subjects,omitempty"`
	// Events are what the next attempt sends; without any, the subjects' events from From on
	// are to be delivered.
	Events []core.Position `json:"events,omitempty"`
	From   core.Position   `json:"from"`
	// Until and Size: deliveries of events up to Until have at most Size events and one attempt:
	// a batch that failed its last one is being taken apart.
	Until    core.Position `json:"until,omitempty"`
	Size     int           `json:"size,omitempty"`
	Attempts int           `json:"attempts"`
	Next     time.Time     `json:"next"`
	Parked   bool          `json:"parked,omitempty"`
	Error    string        `json:"error,omitempty"`
	Since    time.Time     `json:"since"`

	name    string
	version string       // "" while it is not stored
	dirty   bool         // differs from what is stored
	busy    bool         // an attempt is under way
	covers  []string     // the lanes it keeps back
	queue   []core.Event // what Events are, and perhaps those that follow them
}

// lane is what events are in order within: their subject, or themselves.
func lane(e *core.Event) string {
	if e.Subject == "" {
		return "p" + strconv.FormatInt(int64(e.Position), 10)
	}
	return "s" + e.Subject
}

// nameOf is the name of the hold of a delivery: the lane's, or a batch's first position.
func nameOf(events []core.Event) string {
	first := lane(&events[0])
	for i := range events {
		if lane(&events[i]) != first {
			return "b" + strconv.FormatInt(int64(events[0].Position), 10)
		}
	}
	return first
}

// newHold is a hold of events, of which no attempt has failed yet.
func newHold(events []core.Event, rewinds int, now time.Time) *hold {
	h := &hold{Rewinds: rewinds, From: events[0].Position, Since: core.Truncate(now), Next: now, name: nameOf(events), dirty: true}
	for i := range events {
		if subject := events[i].Subject; subject != "" {
			h.Subjects = append(h.Subjects, subject)
		}
	}
	h.Subjects = set(h.Subjects)
	h.setEvents(events)
	return h
}

func (h *hold) setEvents(events []core.Event) {
	h.Events = h.Events[:0:0]
	for i := range events {
		h.Events = append(h.Events, events[i].Position)
	}
	if len(events) > 0 {
		h.From = events[0].Position
	}
}

// lanes are those that the hold keeps back. Its events are among them, for those that have no
// subject.
func (h *hold) lanes() []string {
	lanes := make([]string, 0, len(h.Subjects)+len(h.Events))
	for _, subject := range h.Subjects {
		lanes = append(lanes, "s"+subject)
	}
	for _, position := range h.Events {
		lanes = append(lanes, "p"+strconv.FormatInt(int64(position), 10))
	}
	return lanes
}

// deliveryID is the webhook-id of a delivery: letters and digits of subscription, life, rewinds and
// positions. Of a batch it has the sum of its positions' digest too, since a receiver that has seen
// an id drops what comes under it: other events between the same two are another delivery.
func deliveryID(r *registration, rewinds int, events []core.Event) string {
	id := fmt.Sprintf("msg_%s%sR%dF%d", r.ID, r.Life, rewinds, events[0].Position)
	if len(events) == 1 {
		return id
	}
	h := sha256.New()
	for i := range events {
		_ = binary.Write(h, binary.BigEndian, int64(events[i].Position))
	}
	return fmt.Sprintf("%sL%dX%s", id, events[len(events)-1].Position, lower(h.Sum(nil)[:10]))
}
