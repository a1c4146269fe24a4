// Package queries is reading: pages, streams, and waiting for what is not there yet.
package queries

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// MaxWait is the longest that a [PageQuery] may wait.
const MaxWait = 60 * time.Second

// ErrEventNotFound says that a topic has no event at a position.
var ErrEventNotFound = errors.New("event not found")

// Config is what a [Reader] works with. Its zero value is ready to use.
type Config struct {
	// PageBytes is how large a page's events may be together; a page that would be larger
	// ends early (with one event at least). Default 16 MiB.
	PageBytes int
	// VerifyFor is how long one Verify walks; default 30 s.
	VerifyFor time.Duration
	// PollMin and PollMax are how often a log is asked for what other processes
	// appended while somebody waits, backing off from one to the other; default 50 ms and 1 s.
	PollMin, PollMax time.Duration
	// Log is told of what went wrong while waiting. Default: none.
	Log *slog.Logger
}

// Reader reads topics. It is safe for use by many goroutines.
type Reader struct {
	registry *topics.Registry
	config   Config

	mu       sync.Mutex
	watchers map[*topics.Topic]*watcher // guarded by mu; those that somebody waits with
	watching sync.WaitGroup             // their goroutines
}

// PageQuery is a query whose Limit is the size of a page, 0 for none.
type PageQuery struct {
	core.Query
	// Wait is how long to wait for a first matching event when there is none, at most [MaxWait].
	Wait time.Duration
}

// Page is what a query found, up to its limit.
type Page struct {
	Events []core.Event
	// Next is the From of the following page. Forward it is one past the last position that was
	// looked at, and never below From; backward one before it, and 0 when the beginning
	// was reached.
	Next core.Position
	// More is whether there is something to look at on the following page already.
	More bool
	// Head is the topic's head when the page was read.
	Head core.Position
}

// Summary is what a topic holds.
type Summary struct {
	Head   core.Position
	Events int64
	// FirstRecorded and LastRecorded are zero when the topic is empty.
	FirstRecorded, LastRecorded time.Time
}

// Verification is what a walk over a topic's chain found.
type Verification struct {
	// From and To are the first and the last position that was checked; To is below From when
	// none was.
	From, To core.Position
	// Verified is how many events were in order.
	Verified int64
	// Head is the topic's head when the walk began; 0 where the log's end is damaged, so that nothing was walked.
	Head core.Position
	// Hash is that of the event at To; zero at To 0.
	Hash core.Hash
	// Broken, where set, is where the chain breaks, behind To.
	Broken *Broken
}

// Broken is an event that is not what was written.
type Broken struct {
	Position core.Position
	Reason   string
}
