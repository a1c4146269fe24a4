package commands

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// The bounds of one append. A request larger than that is an append of its own.
const (
	maxBatchBytes  = 4 << 20
	maxBatchEvents = 5000
)

// committer appends to one topic. One goroutine runs while there is something to append:
// what arrives meanwhile gathers, and is the next batch.
type committer struct {
	publisher *Publisher
	topic     *topics.Topic
	log       core.Log
	finder    finder

	queueing sync.Mutex
	queue    []*pending // guarded by queueing
	spare    []*pending // guarded by queueing; an empty slice to gather in
	bytes    int        // guarded by queueing; of the queue
	running  bool       // guarded by queueing

	turns turns // of the goroutine that runs

	catching sync.Mutex // held while the log is read to bring the window up to date

	mu     sync.RWMutex
	window window // guarded by mu
	loaded bool   // guarded by mu; the window's head was read
}

func newCommitter(p *Publisher, topic *topics.Topic) *committer {
	c := &committer{publisher: p, topic: topic, log: topic.Log}
	c.finder = finder{log: topic.Log, timeout: p.config.AppendTimeout, turn: make(chan struct{}, 1)}
	return c
}

// idle reports whether nothing is being appended.
func (c *committer) idle() bool {
	c.queueing.Lock()
	defer c.queueing.Unlock()
	return !c.running
}

// commitAndWait queues a request that was looked at, and waits for what becomes of it, no longer
// than ctx and its deadline.
func (c *committer) commitAndWait(ctx context.Context, p *pending) outcome {
	if err := c.enqueue(p); err != nil {
		return outcome{err: &OutcomeError{RetryAfter: retryAfter, Err: err}}
	}
	timer := c.publisher.borrowTimer(time.Until(p.deadline))
	defer c.publisher.returnTimer(timer)
	select {
	case out := <-p.done:
		return out
	case <-ctx.Done():
		return p.giveUp(ctx.Err())
	case <-timer.C:
		return p.giveUp(context.DeadlineExceeded)
	}
}

// giveUp abandons a request, of which nothing is stored if it was still queued.
func (p *pending) giveUp(err error) outcome {
	unknown := !p.state.CompareAndSwap(queued, abandoned)
	select {
	case out := <-p.done: // it was told just now
		return out
	default:
		return outcome{err: &OutcomeError{Unknown: unknown, RetryAfter: retryAfter, Err: err}}
	}
}

// borrowTimer takes a timer of a publish that is done: making one for each costs as much as
// checking an event does.
func (p *Publisher) borrowTimer(d time.Duration) *time.Timer {
	if timer, ok := p.timers.Get().(*time.Timer); ok {
		timer.Reset(d)
		return timer
	}
	return time.NewTimer(d)
}

func (p *Publisher) returnTimer(timer *time.Timer) {
	timer.Stop()
	p.timers.Put(timer)
}

// enqueue puts a request behind those that wait, and sees that the committer runs.
func (c *committer) enqueue(p *pending) error {
	c.queueing.Lock()
	defer c.queueing.Unlock()
	config := &c.publisher.config
	if n := len(c.queue); n > 0 && (n >= config.Waiting || c.bytes+p.size > config.WaitingBytes) {
		return fmt.Errorf("%w: %d publishes to %q are waiting", core.ErrTooBusy, n, c.topic.Name)
	}
	if !c.running && !c.publisher.start(c) {
		return fmt.Errorf("%w: the instance is stopping", core.ErrUnavailable)
	}
	c.running = true
	p.state.Store(queued)
	c.queue = append(c.queue, p)
	c.bytes += p.size
	return nil
}

// run commits batch after batch until nothing waits. Before each it lets those run who were just
// answered: what they publish next belongs to the batch (it made batches of 30 instead of 2).
func (c *committer) run() {
	for {
		c.turns.yield()
		runtime.Gosched()
		batch := c.take(nil)
		if len(batch) == 0 {
			return
		}
		c.commit(batch)
		c.recycle(batch)
	}
}

// take adds to a batch what waits and fits. Where there is nothing, and the batch is empty, the
// committer counts as ended.
func (c *committer) take(batch []*pending) []*pending {
	c.queueing.Lock()
	defer c.queueing.Unlock()
	if batch == nil {
		batch, c.spare = c.spare, nil
	}
	now, n := time.Now(), 0
	events, bytes := measure(batch)
	for _, p := range c.queue {
		if len(batch) > 0 && (events+len(p.events) > maxBatchEvents || bytes+p.size > maxBatchBytes) {
			break
		}
		n++
		c.bytes -= p.size
		if !p.state.CompareAndSwap(queued, taken) || p.expire(now) {
			continue
		}
		batch = append(batch, p)
		events, bytes = events+len(p.events), bytes+p.size
	}
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	if len(batch) == 0 {
		c.running, c.spare = false, batch
	}
	return batch
}

func measure(batch []*pending) (events, bytes int) {
	for _, p := range batch {
		events, bytes = events+len(p.events), bytes+p.size
	}
	return events, bytes
}

// expire answers a request whose time is over, nothing of which is stored.
func (p *pending) expire(now time.Time) bool {
	if now.Before(p.deadline) {
		return false
	}
	p.done <- outcome{err: &OutcomeError{RetryAfter: retryAfter, Err: context.DeadlineExceeded}}
	return true
}

// recycle keeps the slice of a batch that is done with.
func (c *committer) recycle(batch []*pending) {
	clear(batch)
	c.queueing.Lock()
	c.spare = batch[:0]
	c.queueing.Unlock()
}

// more adds to a batch what arrived meanwhile; the committer goes on even if nothing is left.
func (c *committer) more(batch []*pending) []*pending {
	if len(batch) == 0 {
		return nil
	}
	return c.take(batch)
}
