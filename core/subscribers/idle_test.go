package subscribers_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/subscribers"
)

// Of many subscriptions a publish concerns one: the others neither read nor write anything for it.
func TestIdleSubscriptionsCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	flaky := &coretest.FlakyDocuments{Documents: w.documents}
	w.documents = flaky
	reads := &countingLog{Log: w.logs["orders"]}
	w.logs["orders"] = reads
	sender := &counting{at: map[string]time.Time{}}
	s := w.instance(t, func(c *subscribers.Config) { c.Sender, c.Refresh = sender, time.Hour })
	for i := range 50 {
		subscribe(t, s, subscribers.Request{Callback: fmt.Sprint("https://example.com/", i), Item: core.Item{Subjects: []string{fmt.Sprint("s", i)}}})
	}
	require.NoError(t, s.Deliver(t.Context()))
	writes, before := flaky.Writes.Load(), reads.reads.Load()
	for n := range 30 {
		w.publish(t, "orders", "nobody's", "s7")
		require.NoError(t, s.Deliver(t.Context()))
		require.EqualValues(t, n+1, sender.events.Load())
	}
	require.LessOrEqual(t, flaky.Writes.Load()-writes, int64(30*10), "the one that is concerned takes its lease and records what it has delivered")
	require.LessOrEqual(t, reads.reads.Load()-before, int64(30*10), "all share what was read of the log")
	found := status(t, s, subscribe(t, s, subscribers.Request{Callback: "https://example.com/3", Item: core.Item{Subjects: []string{"s3"}}}).ID)
	require.Zero(t, found.Lag, "what is not for it counts as passed")
	require.EqualValues(t, 61, found.Next)
}

// readingDocuments counts the documents that are read one by one.
type readingDocuments struct {
	core.Documents
	reads atomic.Int64
}

func (d *readingDocuments) Get(ctx context.Context, collection, key string) (core.Document, error) {
	d.reads.Add(1)
	return d.Documents.Get(ctx, collection, key)
}

// A timer's run that finds nothing to do has listed what there is, and read nothing of it again.
func TestAnIdleRunReadsNoDocumentByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		w.publish(t, "orders", "s", "s")
		first := w.instance(t)
		for i := range 20 {
			subscribe(t, first, subscribers.Request{Callback: fmt.Sprint("http://127.0.0.1:1/", i), Item: core.Item{Subjects: []string{"nobody's"}}})
		}
		documents := &readingDocuments{Documents: w.documents}
		w.documents = documents
		other := w.instance(t)
		for range 3 {
			require.NoError(t, other.Deliver(t.Context()))
			require.Zero(t, documents.reads.Load())
			time.Sleep(time.Minute)
		}
	})
}

// What an idle subscription has gone past is written down now and then, so that nobody looks at all of it again.
func TestIdleSubscriptionsAreWrittenNowAndThen(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	s := w.instance(t, func(c *subscribers.Config) { c.Sender = &counting{at: map[string]time.Time{}} })
	subscribe(t, s, subscribers.Request{Callback: "https://example.com/", Item: core.Item{Subjects: []string{"s"}}, From: 1})
	for range 30 {
		w.publish(t, "orders", many(100, 5)...)
		require.NoError(t, s.Deliver(t.Context()))
	}
	next := subscribers.StoredNext(t.Context(), w.documents)
	require.Greater(t, next, core.Position(500))
	other := w.instance(t)
	require.NoError(t, other.Deliver(t.Context()))
	require.EqualValues(t, 3001, subscribers.StoredNext(t.Context(), w.documents), "one that knows nothing writes how far it came")
}

// Whatever a status tells as the next position is one that a rewind takes, though it is not written yet.
func TestAnIdleSubscriptionIsRewoundFromWhereItsStatusSaysItIs(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	sender := &counting{at: map[string]time.Time{}}
	s := w.instance(t, func(c *subscribers.Config) { c.Sender = sender })
	id := subscribe(t, s, subscribers.Request{Callback: "https://example.com/", Item: core.Item{Subjects: []string{"s"}}, From: 1}).ID
	_, err := s.Pause(t.Context(), "orders", id)
	require.NoError(t, err)
	w.publish(t, "orders", append(many(10, 3), "nobody's", "s")...)
	require.EqualValues(t, 12, status(t, s, id).Next)
	_, err = s.Rewind(t.Context(), "orders", id, 13)
	require.ErrorContains(t, err, "13 is ahead of the next position to deliver, 12")
	_, err = s.Rewind(t.Context(), "orders", id, 9)
	require.NoError(t, err)
	_, err = s.Resume(t.Context(), "orders", id)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return s.Deliver(t.Context()) == nil && sender.events.Load() == 1 && status(t, s, id).Next == 13
	}, time.Minute, 10*time.Millisecond)
}

// hangingLog's head can't be read, and it takes its time to say so.
type hangingLog struct {
	core.Log
	asked atomic.Int64
}

func (l *hangingLog) Head(ctx context.Context) (core.Head, error) {
	l.asked.Add(1)
	select {
	case <-time.After(time.Second):
		return core.Head{}, core.ErrUnavailable
	case <-ctx.Done():
		return core.Head{}, ctx.Err()
	}
}

// A topic whose head hangs holds up its own subscriptions, and nobody else's.
func TestATopicThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("hanging", "orders")
		sender := &counting{at: map[string]time.Time{}}
		s := w.instance(t, func(c *subscribers.Config) { c.Sender = sender })
		for i := range 300 { // more than are served at once
			subscribe(t, s, subscribers.Request{Topic: "hanging", Callback: fmt.Sprint("https://example.com/", i)})
		}
		subscribe(t, s, subscribers.Request{Callback: "https://example.com/"})
		synctest.Wait()
		log := &hangingLog{Log: w.logs["hanging"]}
		w.setLog("hanging", log)
		w.publish(t, "orders", "s")
		began := time.Now()
		for range 2 { // the timer comes again, whatever became of the last time
			go func() { _ = s.Deliver(t.Context()) }()
			synctest.Wait()
		}
		for sender.events.Load() == 0 && time.Since(began) < time.Minute {
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, sender.events.Load())
		time.Sleep(time.Minute)
		require.Less(t, log.asked.Load(), int64(10), "all who wait for it share what came of an attempt")
	})
}

// replacedLog is a log whose storage is replaced by another's.
type replacedLog struct{ now atomic.Pointer[core.Log] }

func (l *replacedLog) set(log core.Log) { l.now.Store(&log) }

func (l *replacedLog) Head(ctx context.Context) (core.Head, error) { return (*l.now.Load()).Head(ctx) }

func (l *replacedLog) Append(ctx context.Context, after core.Head, events []core.Event) error {
	return (*l.now.Load()).Append(ctx, after, events)
}

func (l *replacedLog) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return (*l.now.Load()).Read(ctx, q)
}

func (l *replacedLog) Find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	return (*l.now.Load()).Find(ctx, ids)
}

// What was read of a topic before its storage was restored says nothing of what is there now.
func TestASharedTailIsOfTheLogThatIsThereNow(t *testing.T) {
	t.Parallel()
	for _, subjects := range [][]string{{"mine"}, {"mine", "nobody's"}} {
		w := newWorld("orders", "restored")
		sender := &counting{at: map[string]time.Time{}}
		s := w.instance(t, func(c *subscribers.Config) { c.Sender, c.Refresh = sender, time.Nanosecond })
		elsewhere := w.instance(t)
		elsewhere.Close() // it changes documents, and delivers nothing
		log := new(replacedLog)
		before := w.publish(t, "orders", "s", "s", "s")
		other := w.logs["restored"]
		require.NoError(t, other.Append(t.Context(), core.Head{}, before))
		log.set(w.logs["orders"])
		w.setLog("orders", log)
		item := core.Item{Subjects: []string{"mine"}}
		subscribe(t, s, subscribers.Request{Callback: "https://example.com/a", Item: item})
		id := subscribe(t, s, subscribers.Request{Callback: "https://example.com/b", Item: item}).ID
		require.NoError(t, s.Deliver(t.Context()))
		_, err := elsewhere.Pause(t.Context(), "orders", id)
		require.NoError(t, err)
		w.publish(t, "orders", "nobody's")
		require.NoError(t, s.Deliver(t.Context()))
		w.publish(t, "restored", subjects...)
		log.set(other)
		_, err = elsewhere.Resume(t.Context(), "orders", id)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return s.Deliver(t.Context()) == nil && sender.events.Load() == 1 }, time.Minute, 10*time.Millisecond)
	}
}

func TestATopicHasSoManySubscriptionsAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld("orders", "others")
	s := w.instance(t, func(c *subscribers.Config) { c.Most, c.Sender = 2, &counting{at: map[string]time.Time{}} })
	for _, callback := range []string{"https://example.com/a", "https://example.com/b"} {
		subscribe(t, s, subscribers.Request{Callback: callback})
	}
	_, err := s.Subscribe(t.Context(), subscribers.Request{Topic: "orders", Callback: "https://example.com/c"})
	require.ErrorAs(t, err, new(*core.InvalidError))
	require.ErrorContains(t, err, "has 2 subscriptions, and the most is 2")
	require.False(t, subscribe(t, s, subscribers.Request{Callback: "https://example.com/a"}).Created, "a renewal is none more")
	subscribe(t, s, subscribers.Request{Topic: "others", Callback: "https://example.com/c"})
}
