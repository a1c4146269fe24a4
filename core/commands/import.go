package commands

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"eventstore/core"
)

// The bounds of one append of an import, small enough to leave room for others beside it.
const (
	importEvents = 1000
	importBytes  = 1 << 20
)

// Import appends events in order, in batches as they arrive: what comes while one is being
// appended is the next. It is not one atomic append. An event that was stored before is counted
// as a duplicate. On an error, which is an [ImportError], the events before the one it names
// are stored; where the outcome is unknown more may be. topics.ErrTopicNotFound comes as it is.
func (p *Publisher) Import(ctx context.Context, topic string, events iter.Seq2[core.Event, error]) (Imported, error) {
	t, err := p.registry.Open(ctx, topic)
	if err != nil {
		return Imported{Topic: topic}, notStored(err)
	}
	i := &importer{publisher: p, ctx: ctx, topic: topic, done: Imported{Topic: topic}}
	i.changed.L = &i.mu
	var writing sync.WaitGroup
	writing.Go(i.write)
	for e, err := range events {
		if !i.add(e, err) {
			break
		}
	}
	i.end()
	writing.Wait()
	if i.err != nil {
		return i.done, &ImportError{Index: i.failed, Imported: i.done, Err: i.err}
	}
	if i.next == 0 { // there was nothing to import
		head, err := t.Log.Head(ctx)
		i.done.Head = head.Position
		return i.done, notStored(err)
	}
	return i.done, nil
}

// importer carries events from the one who reads them to the one who appends them.
type importer struct {
	publisher *Publisher
	ctx       context.Context
	topic     string

	mu        sync.Mutex
	changed   sync.Cond
	gathered  []core.Event // guarded by mu
	bytes     int          // guarded by mu; of gathered
	over      bool         // guarded by mu; nothing more is gathered
	sourceErr error        // guarded by mu; why, if not because all was read
	stopped   bool         // guarded by mu; nothing more is appended

	// The writer's, until it has ended.
	next   int // the index of the first event that is not appended
	done   Imported
	failed int
	err    error
}

// add gathers an event, waiting while there is too much. It reports whether to go on.
func (i *importer) add(e core.Event, err error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.over, i.sourceErr = true, err
		return false
	}
	for !i.stopped && (len(i.gathered) >= importEvents || i.bytes >= importBytes) {
		i.changed.Wait()
	}
	i.gathered = append(i.gathered, e)
	i.bytes += texts(&e)
	i.changed.Signal()
	return !i.stopped
}

func (i *importer) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	i.changed.Signal()
}

// write appends what is gathered, until all is or one can't be.
func (i *importer) write() {
	for {
		events, sourceErr := i.take()
		if len(events) > 0 {
			i.append(events)
		} else {
			i.failed, i.err = i.next, sourceErr
		}
		if len(events) == 0 || i.err != nil {
			i.stop()
			return
		}
	}
}

// take waits for events; none are left when it returns none.
func (i *importer) take() (events []core.Event, sourceErr error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.gathered) == 0 && !i.over {
		i.changed.Wait()
	}
	events, i.gathered, i.bytes = i.gathered, nil, 0
	i.changed.Signal()
	return events, i.sourceErr
}

func (i *importer) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	i.changed.Signal()
}

// append appends one batch. Where one of its events is at fault, those before it are stored.
func (i *importer) append(events []core.Event) {
	result, at, err := i.publish(events)
	if err != nil && at > 0 {
		var before error
		if result, _, before = i.publish(events[:at]); before != nil {
			at, err = 0, before
		}
		locate(err, result)
	}
	i.count(result)
	if err != nil {
		i.failed, i.err = i.next+at, err
	}
	i.next += len(events)
}

// locate gives a conflict within a batch the position at which the first of the two events was stored since.
func locate(err error, before Result) {
	var conflict *IDConflictError
	if !errors.As(err, &conflict) || conflict.Position != 0 {
		return
	}
	for _, stored := range before.Events {
		if stored.ID == conflict.ID {
			conflict.Position = stored.Position
			return
		}
	}
}

// publish publishes a batch. at is the event that was at fault, 0 where it is none of them.
func (i *importer) publish(events []core.Event) (result Result, at int, err error) {
	q, at, err := i.publisher.prepareImport(i.topic, events)
	if err != nil {
		return Result{}, at, i.placed(err, at)
	}
	for {
		result, err = i.publisher.observed(i.ctx, i.topic, q)
		if !errors.Is(err, core.ErrTooBusy) || time.Now().After(q.deadline) || sleep(i.ctx, jitter(100*time.Millisecond)) != nil {
			break
		}
	}
	var conflict *IDConflictError
	if errors.As(err, &conflict) {
		at = conflict.Index
	}
	return result, at, i.placed(err, at)
}

// placed gives a conflict the index it has in the whole import.
func (i *importer) placed(err error, at int) error {
	var conflict *IDConflictError
	if errors.As(err, &conflict) {
		conflict.Index = i.next + at
	}
	return err
}

func (i *importer) count(result Result) {
	if len(result.Events) == 0 {
		return
	}
	if i.done.First == 0 || result.First < i.done.First {
		i.done.First = result.First
	}
	i.done.Last, i.done.Head = max(i.done.Last, result.Last), max(i.done.Head, result.Head)
	for _, e := range result.Events {
		if e.Duplicate {
			i.done.Duplicates++
		} else {
			i.done.Stored++
		}
	}
}
