// Package projections keeps read models up to date: folds over one or more topics that keep documents.
//
// What a projection's documents reflect is always exactly the events up to a place in each topic, whichever
// instances fold, however often they are killed, and whatever is written twice. A document carries the
// positions that it reflects, so that an event is never applied to it again; the checkpoint moves by
// compare-and-set after the documents, so that a stale run loses; a rebuild has documents of its own, and goes live
// in one conditional write. Nothing depends on a lease, a timer or a clock.
package projections

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// Config is what [Projections] work with.
type Config struct {
	Topics *topics.Registry
	// Documents keep definitions, checkpoints and the read models.
	Documents core.Documents
	// Compile makes a program of a definition's source. Where the source is wrong its error may tell
	// Place() (line, column int).
	Compile func(ctx context.Context, source string) (Program, error)
	// Handlers are the projections' handlers that are built in, in Go, by name.
	Handlers []Handler
	// ParseSchedule reads the schedule of a definition's rebuilds.
	ParseSchedule func(text string) (Schedule, error)
	// Now is the clock that stamps progress and backs off; default time.Now.
	Now func() time.Time
	// Ran, where set, is told of each run, and of each that was left out. It must be quick.
	Ran func(ctx context.Context, r Run)
	// Busy, where set, reports whether this instance has more requests than it can work on at once: a rebuild in it
	// gives way to them. It must be quick.
	Busy func() bool
	// Log is told of failing projections and of storage that fails. Default: none.
	Log *slog.Logger

	// StepEvents, StepTime and StepBytes bound one run of the live version: how many events, how long, and how
	// large the documents that it changes. Default 20,000, 1 s and 32 MiB.
	StepEvents int
	StepTime   time.Duration
	StepBytes  int
	// SliceTime bounds one run of a rebuild, which may be of any number of events. Default 10 s.
	SliceTime time.Duration
	// PassTime bounds one call of Project or Replay. Default 45 s.
	PassTime time.Duration
	// Workers is how many projections are folded at once. Default 2.
	Workers int
	// Backoff is the wait before a failing event is tried again, doubled at each attempt up to MaxBackoff. Default 1 s and 5 min.
	Backoff, MaxBackoff time.Duration
	// Stalled is how long a projection may lag without progress before Health says so. Default 5 min.
	Stalled time.Duration
	// Grace is how long the documents of a version that nobody needs are kept for runs that still
	// write them. Default 10 min.
	Grace time.Duration
}

// Schedule says when something happens again.
type Schedule interface {
	Next(after time.Time) time.Time
}

// The errors that a caller branches on, beside those of core.
var (
	// ErrNotFound: there is no projection of that name.
	ErrNotFound = errors.New("projection not found")
	// ErrDocumentNotFound: the projection has no document of that key.
	ErrDocumentNotFound = errors.New("document not found")
	// ErrPageExpired: the version that a page belongs to is gone.
	ErrPageExpired = errors.New("page expired")
)

// InvalidError says why a definition is refused.
type InvalidError struct {
	Line, Column int // in the source, from 1; 0 where there is no place
	Place        string
	Reason       string
}

func (e *InvalidError) Error() string {
	return (&core.InvalidError{Place: e.Place, Reason: e.Reason}).Error()
}

// BehindError says that a projection does not reflect the events that a reader asked for, in the time it had.
type BehindError struct {
	Position Positions // what it does reflect
	Reason   string
}

func (e *BehindError) Error() string { return e.Reason }

// Projections are all projections of an instance. Any number of instances may drive the same ones.
type Projections struct {
	config Config
	owner  string // this instance, in leases

	mu      sync.Mutex
	runners map[runnerKey]*runner // guarded by mu; what this process has folded lately
	uses    int                   // guarded by mu; counts uses of runners, to close the oldest
	counts  map[runnerKey]counted // guarded by mu; the last count that this process made of a version
	index   index                 // which projections read a topic
	nudges  *queue                // names of projections that have something to fold
}

// New makes an instance's projections. It touches nothing until it is used.
func New(config Config) *Projections {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	setDefault(&config.StepEvents, 20_000)
	setDefault(&config.StepTime, time.Second)
	setDefault(&config.StepBytes, 32<<20)
	setDefault(&config.SliceTime, 10*time.Second)
	setDefault(&config.PassTime, 45*time.Second)
	setDefault(&config.Workers, 2)
	setDefault(&config.Backoff, time.Second)
	setDefault(&config.MaxBackoff, 5*time.Minute)
	setDefault(&config.Stalled, 5*time.Minute)
	setDefault(&config.Grace, 10*time.Minute)
	return &Projections{config: config, owner: rand.Text(), runners: map[runnerKey]*runner{}, counts: map[runnerKey]counted{}, nudges: newQueue()}
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Close frees the sandboxes. It waits for the runs that use them.
func (p *Projections) Close() {
	p.mu.Lock()
	runners := p.runners
	p.runners = map[runnerKey]*runner{}
	p.mu.Unlock()
	for _, r := range runners {
		r.gone.Store(true)
		r.lock <- struct{}{}
		r.close()
		<-r.lock
	}
}
