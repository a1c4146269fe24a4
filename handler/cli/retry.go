package cli

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

// attempts is how often what may work again is tried.
const attempts = 6

// again does something that may be repeated until it is done, is refused, or was tried often enough.
func (t *talk) again(do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == attempts || !transient(err) {
			return err
		}
		t.note("%v; trying again", err)
		if !rest(t.ctx, pause(attempt, err)) {
			return err
		}
	}
}

// transient reports whether what failed may work a moment later: there was no answer, or one that says so.
func transient(err error) bool {
	var p *Problem
	var lasting *failure
	if errors.As(err, &lasting) || errors.Is(err, context.Canceled) {
		return false
	}
	if !errors.As(err, &p) {
		return true
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return p.Code != "projection-behind"
	}
	return false
}

// pause is how long to wait before the next attempt: what the instance says, else longer each time, with jitter.
func pause(attempt int, err error) time.Duration {
	var p *Problem
	if errors.As(err, &p) && p.retryAfter > 0 {
		return p.retryAfter
	}
	most := min(100*time.Millisecond<<min(attempt, 10), 10*time.Second)
	return most/2 + rand.N(most/2)
}

// rest waits, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
