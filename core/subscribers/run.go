package subscribers

import (
	"context"
	"errors"
	"time"

	"eventstore/core"
)

// What a subscription may have under way at once.
const (
	leastFirst = 4  // first attempts, to begin with
	mostFirst  = 16 // first attempts, of a receiver that answers well
	mostAgain  = 4  // further attempts
	// several first attempts that fail in a row make the whole subscription back off.
	several = 3
	// patience is how long a first attempt takes before the subscription moves on without it.
	patience = time.Second
	// interrupted is when an attempt is repeated whose sender has vanished.
	interrupted = 35 * time.Second
)

// run serves one subscription for a while. One goroutine owns it; deliveries are made by
// others, which tell it of their results.
type run struct {
	*Service
	sub *subscription
	log core.Log
	me  string
	end time.Time // no attempts are begun after

	reg     *registration
	st      *state
	version string // of st
	mine    bool   // the lease is held
	begun   time.Time
	renewed time.Time

	head   core.Head
	window window
	held   map[string]int   // lanes, by how many holds keep them back
	busy   map[string]bool  // lanes with a first attempt under way
	holds  map[string]*hold // by name
	voids  []cleared        // holds that are over, to be deleted behind the next write of the state
	gone   bool             // the receiver answered 410
	first  int              // first attempts under way
	slow   int              // first attempts that take so long that the subscription has moved on
	again  int              // further attempts under way
	limit  int              // of first attempts
	units  map[*unit]bool   // under way
	result chan *unit
}

// unit is one delivery under way: a first attempt, or one of a hold.
type unit struct {
	events  []core.Event
	entries []*entry // of a first attempt
	hold    *hold
	slow    bool // a first attempt that became a hold's
	begun   time.Time
	answer  core.Answer
	err     error
}

// errFenced: somebody else has changed the subscription; it is to be read again.
var errFenced = errors.New("the subscription was changed by somebody else")

// serve makes deliveries until there is nothing to do, the time is over, or ctx ends. Results that
// came in are recorded then.
func (r *run) serve(ctx context.Context) error {
	sends, cancel := context.WithCancel(ctx)
	defer cancel()
	err := r.loop(ctx, sends)
	cancel()
	for len(r.units) > 0 {
		r.settle(<-r.result)
	}
	if err != nil {
		return err
	}
	closing, cancelClosing := context.WithTimeout(context.WithoutCancel(ctx), leaseTime)
	defer cancelClosing()
	if r.gone {
		return r.remove(closing, r.sub)
	}
	return r.finish(closing)
}

func (r *run) loop(ctx, sends context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := r.Now()
		ending := ctx.Err() != nil || !now.Before(r.end) || r.gone || r.waiting.Load() > 0 && now.Sub(r.begun) > patience
		if !ending {
			if err := r.begin(ctx, sends, now); err != nil {
				return err
			}
		}
		if over, err := r.over(ctx, ending); over || err != nil {
			return err
		}
		timer.Reset(r.pause(now, ending))
		select {
		case u := <-r.result:
			r.settleAll(u)
		case <-r.sub.wake:
			if err := r.look(ctx); err != nil {
				return err
			}
		case <-timer.C:
		case <-ctx.Done():
		}
		r.moveOn(r.Now())
		if r.mine && r.Now().Sub(r.renewed) >= leaseRenew {
			if err := r.checkpoint(ctx, false); err != nil {
				return err
			}
		}
	}
}

// over reports whether the run ends. Before a run that holds the lease does, it looks for what other
// instances have published, who could not deliver it.
func (r *run) over(ctx context.Context, ending bool) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return true, nil
	case len(r.units) > 0 || !ending && r.dueBy(r.until()):
		return false, nil
	case ending || !r.mine:
		return true, nil
	}
	err := r.look(ctx)
	return err != nil || !r.dueBy(r.until()), err
}

// until is how long the run waits for attempts that fall due.
func (r *run) until() time.Time {
	until := r.Now().Add(r.Linger)
	if until.After(r.end) {
		return r.end
	}
	return until
}

// pause is how long nothing happens by itself.
func (r *run) pause(now time.Time, ending bool) time.Duration {
	next := now.Add(leaseRenew)
	for u := range r.units {
		if late := u.begun.Add(patience); u.hold == nil && late.Before(next) {
			next = late
		}
	}
	if due := r.due(); !ending && !due.IsZero() && due.After(now) && due.Before(next) {
		next = due
	}
	return max(next.Sub(now), time.Millisecond)
}

// settleAll takes in a result and those that came with it.
func (r *run) settleAll(u *unit) {
	for {
		r.settle(u)
		select {
		case u = <-r.result:
		default:
			return
		}
	}
}

// look finds out how far the log goes.
func (r *run) look(ctx context.Context) (err error) {
	r.head, err = r.heads.head(ctx, r.reg.Topic, r.log, r.Now())
	if err == nil && r.head.Position < r.st.Seen.Position { // older than what was delivered, or another log's: read it anew
		r.heads.moved(r.reg.Topic)
		r.head, err = r.heads.head(ctx, r.reg.Topic, r.log, r.Now())
	}
	return err
}

// dueBy reports whether an attempt falls due at or before a time.
func (r *run) dueBy(t time.Time) bool {
	due := r.due()
	return !due.IsZero() && !due.After(t)
}

// due is when the next attempt is to begin, of those that could begin without a result coming
// in; zero where there is none.
func (r *run) due() time.Time {
	var due time.Time
	earlier := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	if h := r.firstDue(); h != nil && r.again < mostAgain {
		earlier(h.Next)
	}
	if r.mayFirst() && (r.window.waiting(r.free) || r.window.read <= r.head.Position && !r.window.full()) {
		earlier(r.firstFrom())
	}
	if !due.IsZero() && due.Before(r.st.Quiet) {
		due = r.st.Quiet
	}
	return due
}

// firstFrom is when first attempts may begin.
func (r *run) firstFrom() time.Time {
	if r.st.Failures >= several && r.st.Backoff.After(r.begun) {
		return r.st.Backoff
	}
	return r.begun
}
