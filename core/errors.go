package core

import (
	"errors"
	"fmt"
)

// The errors of both ports. Adapters wrap what their service says in one of these,
// once, at their edge; nobody else looks at a service's codes.
var (
	// ErrConflict: the log's head, or the document's version, is not the expected
	// one. Nothing is stored.
	ErrConflict = errors.New("conflict")
	// ErrRejected: this can't be stored here, ever. Nothing is stored.
	ErrRejected = errors.New("rejected by the storage")
	// ErrUnavailable: the storage can't be reached or can't take more now (it is
	// full, say). Nothing is stored; later it may work.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrUnknown: the storage failed in the middle of a write, which may or may not
	// have been kept.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNotFound: there is no such document, log or file.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt: what is stored is not what was written. See [CorruptError] for where.
	ErrCorrupt = errors.New("corrupt")
	// ErrClosed: the log was closed for good, by moving its topic to another
	// storage. Nothing is stored; the topic's configuration says where it went.
	ErrClosed = errors.New("log closed")
	// ErrForeign: the storage holds another log than the one the topic was
	// registered with.
	ErrForeign = errors.New("storage holds another log")
	// ErrTooBusy: a bounded queue is full. Nothing is stored; repeat it later.
	ErrTooBusy = errors.New("too busy")
)

// InvalidError says what is wrong with something a caller sent, and where.
type InvalidError struct {
	Place  string // such as events[3].type; "" for the whole
	Reason string // what is wrong, with the offending value, and what would be right
}

func (e *InvalidError) Error() string {
	if e.Place == "" {
		return e.Reason
	}
	return e.Place + ": " + e.Reason
}

// Invalid makes an [InvalidError].
func Invalid(place, format string, args ...any) error {
	return &InvalidError{Place: place, Reason: fmt.Sprintf(format, args...)}
}

// TooLargeError says that something a caller sent is over a limit.
type TooLargeError struct {
	Place  string
	Reason string
}

func (e *TooLargeError) Error() string { return (&InvalidError{e.Place, e.Reason}).Error() }

// CorruptError says where stored bytes are not what was written. It is an
// [ErrCorrupt].
type CorruptError struct {
	Place    string   // file, blob or table, and the offset or row in it
	Position Position // the event's position, where it is known, else 0
	Reason   string
}

func (e *CorruptError) Error() string {
	if e.Position == 0 {
		return fmt.Sprintf("corrupt at %s: %s", e.Place, e.Reason)
	}
	return fmt.Sprintf("corrupt at %s, position %d: %s", e.Place, e.Position, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
