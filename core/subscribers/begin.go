package subscribers

import (
	"context"
	"time"

	"eventstore/core"
)

// begin begins the attempts that are due.
func (r *run) begin(ctx, sends context.Context, now time.Time) error {
	if now.Before(r.st.Quiet) {
		return nil
	}
	if err := r.beginAgain(ctx, sends, now); err != nil {
		return err
	}
	return r.beginFirst(ctx, sends, now)
}

// beginAgain begins further attempts, those that are due first first.
func (r *run) beginAgain(ctx, sends context.Context, now time.Time) error {
	for r.again < mostAgain && !now.Before(r.st.Quiet) {
		h := r.firstDue()
		if h == nil || h.Next.After(now) {
			return nil
		}
		ready, err := r.prepare(ctx, h)
		if err != nil {
			return err
		}
		if !ready {
			r.release(h)
			continue
		}
		if err := r.send(ctx, sends, &unit{events: h.queue[:len(h.Events)], hold: h}, now); err != nil {
			return err
		}
	}
	return nil
}

// firstDue is the hold that is due first, of those that have no attempt under way and are not parked.
func (r *run) firstDue() (first *hold) {
	for _, h := range r.holds {
		if !h.busy && !h.Parked && (first == nil || h.Next.Before(first.Next) || h.Next.Equal(first.Next) && h.From < first.From) {
			first = h
		}
	}
	return first
}

// beginFirst reads on and begins first attempts.
func (r *run) beginFirst(ctx, sends context.Context, now time.Time) error {
	if now.Before(r.firstFrom()) {
		return nil
	}
	for r.mayFirst() && !now.Before(r.st.Quiet) {
		if err := r.fill(ctx); err != nil {
			return err
		}
		entries := r.window.compose(r.free, r.reg.Batch)
		if entries == nil {
			return nil
		}
		if err := r.send(ctx, sends, &unit{events: eventsOf(entries), entries: entries}, now); err != nil {
			return err
		}
	}
	return nil
}

// mayFirst reports whether one more first attempt may be under way.
func (r *run) mayFirst() bool {
	limit := r.limit
	if r.st.Failures >= several {
		limit = 1
	}
	return r.first < limit && r.slow < mostFirst
}

// free reports whether a lane's next event may be sent.
func (r *run) free(lane string) bool { return r.held[lane] == 0 && !r.busy[lane] }

// fill reads on until the window is full, an event waits, or the log ends.
func (r *run) fill(ctx context.Context) error {
	r.window.next()
	for r.window.read <= r.head.Position && !r.window.full() && !r.enough() {
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// enough reports whether so many events wait that reading on can wait too.
func (r *run) enough() bool {
	return len(r.window.compose(r.free, r.reg.Batch)) >= r.reg.Batch
}

func (r *run) read(ctx context.Context) error {
	query := core.Query{From: r.window.read, To: r.head.Position, Filter: r.reg.filter(), Limit: r.window.most}
	read := 0
	for e, err := range r.log.Read(ctx, query) {
		if err != nil {
			return err
		}
		r.window.add(e, r.held[lane(&e)] > 0)
		if read++; r.window.full() || read == query.Limit {
			r.window.next()
			return nil
		}
	}
	r.window.read = r.head.Position + 1
	r.window.next()
	return nil
}

// send begins a delivery. Before the first one the lease is taken.
func (r *run) send(ctx, sends context.Context, u *unit, now time.Time) error {
	if err := r.acquire(ctx, now); err != nil {
		return err
	}
	u.begun = now
	r.units[u] = true
	if u.hold != nil {
		u.hold.busy = true
		r.again++
	} else {
		r.first++
		for _, e := range u.entries {
			e.sent = true
			r.busy[e.lane] = true
		}
	}
	if r.reg.Rate > 0 {
		r.st.Quiet = now.Add(time.Minute / time.Duration(r.reg.Rate))
	}
	d := r.delivery(u, now)
	go func() {
		u.answer, u.err = r.call(sends, d)
		r.result <- u
	}()
	return nil
}

// call makes a delivery when it is its turn in this process.
func (r *run) call(ctx context.Context, d core.Delivery) (core.Answer, error) {
	select {
	case r.sends <- struct{}{}:
	case <-ctx.Done():
		return core.Answer{}, ctx.Err()
	}
	defer func() { <-r.sends }()
	return r.Sender.Send(ctx, d)
}
