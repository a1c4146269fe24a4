// Package subscribers delivers topics' events to callbacks: at least once, each subject's in
// order, and none behind one that can't be delivered.
//
// A subscription is two documents and a few more: its registration, its delivery state (how
// far it has come), and a hold for every subject, or batch, whose delivery fails. The state is
// written conditionally and behind the holds, so that a crash or a second sender repeats
// deliveries and never jumps one.
package subscribers

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"eventstore/core"
)

// ErrNotFound: there is no such subscription, or it has expired.
var ErrNotFound = errors.New("no such subscription")

// A Sender calls callbacks. All methods may be called at once from many goroutines, and
// end when their context does.
type Sender interface {
	// Check reports whether a callback may be called: a [core.InvalidError] says that it is no
	// callback at all, a [core.RefusedError] that it leads where none may.
	Check(ctx context.Context, callback string) error
	// Handshake asks a receiver whether origin may send it events. One that does not answer has
	// not agreed, which is no error; a [core.RefusedError] is one.
	Handshake(ctx context.Context, callback, origin string) (core.Permission, error)
	// Send makes one delivery. An error means that there was no answer, and its text may be
	// shown to anyone; it is the context's where that ended first.
	Send(ctx context.Context, d core.Delivery) (core.Answer, error)
}

// Config is what a [Service] is made of.
type Config struct {
	Documents core.Documents
	// Open gives a topic's log. Its error is returned as it is where a topic is named by a caller.
	Open   func(ctx context.Context, topic string) (core.Log, error)
	Sender Sender
	// Origin is what receivers are told who sends: a DNS name. Default "eventstore".
	Origin string
	// Retry is the waits between a delivery's attempts. Default [DefaultLadder].
	Retry Ladder
	// Refresh is how old may be what is remembered of subscriptions that other instances
	// change. Default 10 s.
	Refresh time.Duration
	// Pass bounds one [Service.Deliver]; what is under way then may take 30 s more. Default 45 s.
	Pass time.Duration
	// Linger is for how long a pass waits for attempts that fall due. Default 0.
	Linger time.Duration
	// Sends is the most deliveries under way in this process. Default 512.
	Sends int
	// Most is the most subscriptions of a topic. Default 10,000.
	Most int
	// Served, where set, is told where a subscription stands whenever it was looked at. It must be quick.
	Served func(Serving)
	Log    *slog.Logger
	Now    func() time.Time
}

// Serving is where a subscription stands.
type Serving struct {
	Topic, ID  string
	Next, Head core.Position
	// Waiting is when the event at Next was recorded; zero where that is not known, or there is none.
	Waiting time.Time
	Parked  int // subjects
}

func (c Config) withDefaults() Config {
	c.Origin = cmp.Or(c.Origin, "eventstore")
	c.Refresh = cmp.Or(c.Refresh, 10*time.Second)
	c.Pass = cmp.Or(c.Pass, 45*time.Second)
	c.Sends = cmp.Or(c.Sends, 512)
	c.Most = cmp.Or(c.Most, 10_000)
	if len(c.Retry) == 0 {
		c.Retry = DefaultLadder()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Service registers, manages and serves subscriptions. Any number of instances may serve the
// same ones.
type Service struct {
	Config
	store store
	heads heads
	sends chan struct{} // one token for each delivery under way
	runs  chan struct{} // one for each subscription that is being served

	waiting atomic.Int64 // subscriptions that wait for one of runs
	stopped context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	known     map[string]*subscription // guarded by mu; by registration key
	refreshed time.Time                // guarded by mu; when known was last listed
	nudged    map[string]bool          // guarded by mu; topics, while a goroutine looks after them
	closed    bool                     // guarded by mu
}

// mostRuns is the most subscriptions that are served at once; the others take turns with them.
const mostRuns = 256

// New makes the service. It does nothing by itself: [Service.Deliver] and [Service.Nudge] do.
func New(config Config) *Service {
	config = config.withDefaults()
	s := &Service{
		Config: config,
		store:  store{config.Documents},
		sends:  make(chan struct{}, config.Sends),
		runs:   make(chan struct{}, mostRuns),
		known:  map[string]*subscription{},
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// Close ends what nudges have started, and waits for it. What was delivered is recorded.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.running.Wait()
}
