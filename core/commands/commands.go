// Package commands is publishing: conditions, idempotency, group commit and unknown
// outcomes, written once over the compare-and-append of a core.Log, so that they hold the
// same on every adapter and however many instances publish at once.
//
// Publishes that arrive while an append to their topic is under way are checked and
// appended together when it ends. A check can't race: the log up to a head never changes,
// and an append behind that head is refused once it has moved.
package commands

import (
	"log/slog"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Config is what a [Publisher] works with. Its zero value is ready to use.
type Config struct {
	// Now is the clock that stamps events; default time.Now.
	Now func() time.Time
	// Timeout is how long a publish may take in all; default 30 s.
	Timeout time.Duration
	// AppendTimeout is how long one append to a log may take; default 10 s.
	AppendTimeout time.Duration
	// Backoff is the first wait before an append whose outcome is unknown is made again; the
	// later ones double, up to 2 s. Default 50 ms.
	Backoff time.Duration
	// Waiting is how many publishes to one topic may wait for their turn, and WaitingBytes
	// how large they may be together; beyond it is core.ErrTooBusy. Default 5,000 and 64 MiB.
	Waiting      int
	WaitingBytes int
	// Window is how many of a topic's latest events are remembered for checks; default 10,000.
	Window int
	// Published, where set, is told after a batch was acknowledged. It is called in turn for
	// each topic, so it must be quick and must not publish.
	Published func(topic string, head core.Position)
	// Observer, where set, is told how publishes and appends go.
	Observer Observer
	// Log is told of what went wrong with storage. Default: none.
	Log *slog.Logger
}

// Publisher appends to topics. It is safe for use by many goroutines, and any number of
// Publishers, in as many processes, may publish to one topic.
type Publisher struct {
	registry *topics.Registry
	config   Config

	mu         sync.RWMutex
	committers map[string]*committer // guarded by mu; by topic

	timers sync.Pool // of *time.Timer

	life    sync.RWMutex
	closed  bool           // guarded by life
	running sync.WaitGroup // the committers that run; added to under life while not closed
}

// Request is events to be appended together, next to each other, or not at all.
type Request struct {
	// Events are completed with ids (UUIDv7), source and content type where they have none.
	// Their Position, Recorded, More and Hash are not looked at.
	Events    []core.Event
	Condition core.Condition
}

// Result says where the events of a request are.
type Result struct {
	Topic string
	// First and Last are the lowest and the highest of the positions in Events.
	First, Last core.Position
	// Head is the topic's head when the request was appended: its own last event. For a request of
	// duplicates alone it is the head as far as it was looked at.
	Head core.Position
	// Events are the request's, in its order.
	Events []Stored
}

// Repeated reports whether every event of the request had been stored before.
func (r *Result) Repeated() bool {
	for _, e := range r.Events {
		if !e.Duplicate {
			return false
		}
	}
	return true
}

// Stored is where one event is.
type Stored struct {
	ID       string
	Position core.Position
	// Duplicate is whether it had been stored before, at Position.
	Duplicate bool
}

// Imported says what an import did.
type Imported struct {
	Topic string
	// First and Last are the lowest and the highest position of its events; 0 without any.
	First, Last core.Position
	// Head is the topic's head after its last append.
	Head core.Position
	// Stored is how many events were appended, Duplicates how many had been stored before.
	Stored, Duplicates int
}
