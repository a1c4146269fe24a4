package commands

import (
	"fmt"
	"time"

	"eventstore/core"
)

// ConditionError says that a request's condition does not hold. Nothing of it was stored.
type ConditionError struct {
	// Head is the topic's head, as far as it was looked at.
	Head core.Position
	// Position is an event that breaks the condition; 0 when the head itself does.
	Position core.Position
}

func (e *ConditionError) Error() string {
	if e.Position == 0 {
		return fmt.Sprintf("the condition does not hold: the topic's head is %d", e.Head)
	}
	return fmt.Sprintf("the condition does not hold: the event at position %d matches it; the topic's head is %d", e.Position, e.Head)
}

// IDConflictError says that an event's id was used before for an event of another type,
// source, subject or data. Nothing of the request was stored.
type IDConflictError struct {
	ID string
	// Position is that of the event that has the id; 0 when that is in the same request.
	Position core.Position
	// Index is the event's in its request or import, from 0.
	Index int
}

func (e *IDConflictError) Error() string {
	if e.Position == 0 {
		return fmt.Sprintf("events[%d].id: %q is also the id of another event of the request, with different content", e.Index, e.ID)
	}
	return fmt.Sprintf("events[%d].id: %q is the id of the event at position %d, with different content", e.Index, e.ID, e.Position)
}

// OutcomeError says that the storage did not do what a publish needed of it, and
// whether its events may have been stored all the same. The same request with the same
// ids is safe to repeat either way.
type OutcomeError struct {
	// Unknown is whether the events may have been stored. Otherwise they were not, and won't be.
	Unknown bool
	// RetryAfter is how long to wait before repeating the request.
	RetryAfter time.Duration
	// Err is the reason: core.ErrTooBusy, core.ErrUnavailable, context.DeadlineExceeded, …
	Err error
}

func (e *OutcomeError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("it is not known whether the events were stored: %v", e.Err)
	}
	return fmt.Sprintf("the events were not stored: %v", e.Err)
}

func (e *OutcomeError) Unwrap() error { return e.Err }

// ImportError says where an import ended, and what it had done by then.
type ImportError struct {
	Index    int // of the event that could not be imported, from 0
	Imported Imported
	Err      error
}

func (e *ImportError) Error() string {
	return fmt.Sprintf("event %d of the import, after %d stored: %v", e.Index, e.Imported.Stored, e.Err)
}

func (e *ImportError) Unwrap() error { return e.Err }
