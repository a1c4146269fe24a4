package core

import (
	"context"
	"iter"
	"time"
)

// A Log is one topic's events. Positions run 1, 2, 3 … without a gap.
//
// Appends are serial: of two that expect the same head one succeeds. Once Append
// has returned nil its events are durable, and every later Head, Read and Find, of
// every process, sees them. What any of these has shown is never cut or changed.
// All methods may be called at once from many goroutines. The errors are those of this
// package; corruption that a method meets is an [ErrCorrupt], told with its place, and
// never skipped, served or cut away.
type Log interface {
	// Head reports the last durable event's position, hash and recorded time; zero
	// when the log is empty.
	Head(ctx context.Context) (Head, error)

	// Append stores events, which [Seal] made behind after, all or none, durably, if the
	// log's head is still after. ErrConflict: the head has moved, nothing is stored.
	// ErrRejected: these events can't be stored here, ever; nothing is. ErrUnavailable:
	// nothing is stored now. ErrClosed: the log takes no more events, nothing is stored.
	// Any other error leaves the outcome unknown: the events were kept exactly if the
	// event at the last one's position has its hash. The events are not retained
	// or changed.
	Append(ctx context.Context, after Head, events []Event) error

	// Read yields the events that match q, in its direction, up to the head when it was
	// called. It yields an error at most once, last.
	Read(ctx context.Context, q Query) iter.Seq2[Event, error]

	// Find reports the positions of the events that have these ids; those not in the
	// log are left out.
	Find(ctx context.Context, ids []string) (map[string]Position, error)
}

// Query says which events of a topic to read. The zero Query reads them all, forward.
type Query struct {
	// From is the first position looked at, inclusive: forward 0 is the beginning, backward
	// 0 is the head.
	From Position
	// To is the last position looked at, inclusive, in the query's direction: forward 0
	// is the head, backward 0 is the beginning. Beyond the head or the beginning it ends there.
	To       Position
	Backward bool
	Filter   Filter
	// Since and Until bound Recorded, inclusive and exclusive; the zero time does not.
	Since, Until time.Time
	// Limit is the most events to yield; 0 is no limit.
	Limit int
}

// Selects reports whether the query's filter and time bounds select an event. Its
// positions are not looked at.
func (q *Query) Selects(e *Event) bool {
	return (q.Since.IsZero() || !e.Recorded.Before(q.Since)) &&
		(q.Until.IsZero() || e.Recorded.Before(q.Until)) && q.Filter.Match(e)
}

// Documents is a small key-value store with compare-and-set: topic configurations,
// registrations, checkpoints, read models.
//
// A collection and a key are any non-empty text of valid UTF-8; a value is any bytes.
// Keys are ordered by their escaped bytes ([EscapeKey]), the same in every adapter. Once
// Write has returned nil its writes are durable and every later Get and List, of every
// process, sees them. All methods may be called at once from many goroutines.
type Documents interface {
	// Get reads a document. ErrNotFound: there is none.
	Get(ctx context.Context, collection, key string) (Document, error)

	// Write puts or deletes documents, each if it has the version that its write expects.
	// The writes of one call are not atomic together, and name different documents. It
	// returns the new versions, in the writes' order; "" for a deletion and for a write that
	// was not made or may not have been. ErrConflict: at least one document has another
	// version, and that write was not made. ErrUnavailable: the writes without a version were not
	// made. Any other error leaves those unknown: an unknown write that is found
	// in place when it is read back was made.
	Write(ctx context.Context, writes ...Write) (versions []string, err error)

	// List yields a collection's documents in the order of their keys. It yields an error at
	// most once, last. A document written during the listing may or may not be seen.
	List(ctx context.Context, collection string, q ListQuery) iter.Seq2[Document, error]
}

// Document is a value with its version. A version is opaque, never empty, and never
// given twice in the life of a document's key.
type Document struct {
	Key     string
	Value   []byte
	Version string
}

// Write is one change to one document.
type Write struct {
	Collection, Key string
	// Value is what to put; it is not retained. A nil Value deletes.
	Value []byte
	// Expect is the version the document must have; "" means that there must be none.
	Expect string
}

// ListQuery says which documents of a collection to list. The zero ListQuery lists all.
type ListQuery struct {
	Prefix string // of the key
	After  string // the key behind which to begin; it need not exist
	Limit  int    // the most documents to yield; 0 is no limit
}
