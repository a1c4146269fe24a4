package javascript

import (
	"context"
	"sync"
	"time"

	"eventstore/core"
)

const (
	maxChunk     = 1000      // events in a call into a sandbox
	maxChunkSize = 512 << 10 // and about the bytes of their data
	aim          = MaxTime / 10
)

// A part is a run of a batch's events that is given to one sandbox at a time. When a call with several events in it
// fails, the part is taken apart into its events, each of which then has the whole of the limits for itself: so what
// fails is one event, whatever stood beside it.
type part struct {
	first  int // the number of its first event in the batch
	events []core.Event
	keys   [][]string
	box    *sandbox // holds the events; nil: they have to be loaded again
	loaded int      // how many the sandbox holds, copies included
}

// divide makes parts of a batch: one for each worker where the calls stay small enough, else more.
func (p *Program) divide(events []core.Event) []*part {
	most := min(p.pace(), (len(events)+p.engine.workers()-1)/p.engine.workers())
	parts := []*part{}
	for first := 0; first < len(events); {
		n, size := 0, 0
		for first+n < len(events) && n < most && (n == 0 || size < maxChunkSize) {
			size += len(events[first+n].Data) + len(events[first+n].DataBase64)
			n++
		}
		parts = append(parts, &part{first: first, events: events[first : first+n]})
		first += n
	}
	return parts
}

// singles takes a part apart.
func (pt *part) singles() []*part {
	parts := make([]*part, len(pt.events))
	for i := range parts {
		parts[i] = &part{first: pt.first + i, events: pt.events[i : i+1]}
		if pt.keys != nil {
			parts[i].keys = pt.keys[i : i+1]
		}
	}
	return parts
}

// loadAll loads the parts and finds their keys. Where there are more parts than workers, they are left unloaded.
func (p *Program) loadAll(ctx context.Context) error {
	if len(p.parts) > p.engine.workers() {
		for _, pt := range p.parts {
			if err := p.loadPart(ctx, pt); err != nil {
				return err
			}
			p.unload(pt)
		}
		return nil
	}
	errs := make([]error, len(p.parts))
	var working sync.WaitGroup
	for i, pt := range p.parts {
		working.Go(func() { errs[i] = p.loadPart(ctx, pt) })
	}
	working.Wait()
	return first(errs)
}

// first is the first error, which is that of the earliest part.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// loadPart finds a part's keys, and leaves it loaded unless that took its events one by one.
func (p *Program) loadPart(ctx context.Context, pt *part) error {
	err := p.load(ctx, pt)
	if err == nil {
		pt.keys, err = pt.box.keys(ctx, len(pt.events))
	}
	if err == nil {
		p.paced(len(pt.events), pt.box.took())
		return nil
	}
	p.unload(pt)
	if len(pt.events) == 1 || ctx.Err() != nil {
		return asEvent(ctx, pt.first, err)
	}
	p.paced(len(pt.events), MaxTime)
	for i, single := range pt.singles() {
		if err := p.loadPart(ctx, single); err != nil {
			return err
		}
		p.unload(single)
		pt.keys = append(pt.keys[:i], single.keys...)
	}
	return nil
}

// load puts a part's events into a sandbox.
func (p *Program) load(ctx context.Context, pt *part) (err error) {
	if pt.box, err = p.take(ctx); err != nil {
		return err
	}
	pt.loaded = len(pt.events)
	return pt.box.load(ctx, pt.events, false)
}

func (p *Program) unload(pt *part) {
	p.give(pt.box)
	pt.box, pt.loaded = nil, 0
}

// pace is how many events a call takes, such that it stays well within the time of one.
func (p *Program) pace() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.chunk
}

func (p *Program) paced(events int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fits := int(aim * time.Duration(events) / max(took, time.Microsecond))
	p.chunk = max(1, min(maxChunk, fits, 2*p.chunk))
}
