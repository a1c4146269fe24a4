package projections

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"eventstore/core"
)

const (
	leaseTime  = 5 * time.Second
	leaseRenew = 2 * time.Second
)

// lease says who works at a version for longer than one run, so that others leave it to them. Nothing rests on it: who
// works without it, or after it, loses a conditional write at worst.
type lease struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"`
}

// held tells whether somebody else has a lease, and the document's revision. One that ends further ahead than any can is no lease: its
// owner's clock is wrong.
func (p *Projections) held(ctx context.Context, key string) (held bool, revision string, err error) {
	document, err := p.config.Documents.Get(ctx, leases, key)
	if errors.Is(err, core.ErrNotFound) {
		return false, "", nil
	}
	if err != nil {
		return false, "", err
	}
	var l lease
	if json.Unmarshal(document.Value, &l) != nil {
		return false, document.Version, nil
	}
	left := l.Until.Sub(p.config.Now())
	return l.Owner != p.owner && left > 0 && left <= leaseTime, document.Version, nil
}

// withLease does work while it has the lease of a version, and renews it meanwhile. ok is false where somebody else has it.
func (p *Projections) withLease(ctx context.Context, name string, number int, work func() error) (ok bool, err error) {
	key := definitionKey(name, number)
	held, revision, err := p.held(ctx, key)
	if held || err != nil {
		return false, err
	}
	if revision, err = p.writeLease(ctx, key, revision, leaseTime); err != nil {
		if errors.Is(err, core.ErrConflict) {
			return false, nil
		}
		return false, err
	}
	renewing, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		revision = p.renew(renewing, key, revision)
	}()
	err = work()
	stop()
	<-ended
	if revision != "" { // whoever comes next need not wait; if this is lost, it ends by itself
		_, _ = p.writeLease(context.WithoutCancel(ctx), key, revision, -time.Second)
	}
	return true, err
}

// renew goes on until ctx ends or the lease is lost, which it then leaves at that. It returns the revision, "" if lost.
func (p *Projections) renew(ctx context.Context, key, revision string) string {
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return revision
		case <-ticker.C:
		}
		next, err := p.writeLease(context.WithoutCancel(ctx), key, revision, leaseTime)
		if err != nil {
			return ""
		}
		revision = next
	}
}

func (p *Projections) writeLease(ctx context.Context, key, revision string, ahead time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	value, err := json.Marshal(lease{p.owner, p.config.Now().Add(ahead)})
	if err != nil {
		return "", err
	}
	versions, err := p.config.Documents.Write(ctx, core.Write{Collection: leases, Key: key, Value: value, Expect: revision})
	if err != nil {
		return "", err
	}
	return versions[0], nil
}
