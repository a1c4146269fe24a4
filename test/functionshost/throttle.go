package functionshost

import (
	"context"
	"sync/atomic"
)

// throttle lets so many calls run at once and so many more wait.
type throttle struct {
	slots       chan struct{} // nil: without limit
	outstanding *atomic.Int64
	most        int64 // outstanding, those that run included; negative: without limit
}

func newThrottle(concurrent, outstanding int) throttle {
	t := throttle{outstanding: new(atomic.Int64), most: int64(outstanding)}
	if concurrent > 0 {
		t.slots = make(chan struct{}, concurrent)
	}
	return t
}

// enter waits for its turn. It reports false when too many wait, or when ctx has ended.
func (t throttle) enter(ctx context.Context) bool {
	if n := t.outstanding.Add(1); t.most >= 0 && n > t.most {
		t.outstanding.Add(-1)
		return false
	}
	if t.slots == nil {
		return true
	}
	select {
	case t.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		t.outstanding.Add(-1)
		return false
	}
}

func (t throttle) leave() {
	if t.slots != nil {
		<-t.slots
	}
	t.outstanding.Add(-1)
}
