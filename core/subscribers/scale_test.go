package subscribers_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/subscribers"
)

// counting answers at once and counts, by callback.
type counting struct {
	events atomic.Int64
	fails  func(d core.Delivery) bool
	mu     sync.Mutex
	at     map[string]time.Time // guarded by mu; when a callback's last event came
}

func (c *counting) Check(context.Context, string) error { return nil }
func (c *counting) Handshake(context.Context, string, string) (core.Permission, error) {
	return core.Permission{}, nil
}

func (c *counting) Send(ctx context.Context, d core.Delivery) (core.Answer, error) {
	if c.fails != nil && c.fails(d) {
		timer := time.NewTimer(30 * time.Second)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return core.Answer{}, ctx.Err()
		case <-timer.C:
			return core.Answer{Status: 500}, nil
		}
	}
	c.events.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[d.Callback] = time.Now()
	return core.Answer{Status: 204}, nil
}

// Many subscriptions of one topic: each gets its own events, at few writes an event.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	subscriptions, perSubject := 50, 100
	if os.Getenv("EVENTSTORE_TEST_LONG") != "" {
		subscriptions, perSubject = 1000, 100
	}
	w := newWorld("orders")
	flaky := &coretest.FlakyDocuments{Documents: w.documents}
	w.documents = flaky
	sender := &counting{at: map[string]time.Time{}}
	s := w.instance(t, func(c *subscribers.Config) { c.Sender = sender; c.Pass = 5 * time.Minute })
	for i := range subscriptions {
		subscribe(t, s, subscribers.Request{Callback: fmt.Sprint("https://example.com/", i), Item: core.Item{Subjects: []string{fmt.Sprint("s", i)}}})
	}
	for range perSubject {
		w.publish(t, "orders", many(subscriptions, subscriptions)...)
	}
	writes, begun := flaky.Writes.Load(), time.Now()
	require.NoError(t, s.Deliver(t.Context()))
	took := time.Since(begun)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	require.EqualValues(t, subscriptions*perSubject, sender.events.Load())
	perEvent := float64(flaky.Writes.Load()-writes) / float64(subscriptions*perSubject)
	renewals := float64(subscriptions) * took.Seconds() / 2 / float64(subscriptions*perSubject) // of leases, every 2 s
	require.Less(t, perEvent, 0.1+renewals)
	t.Logf("%d subscriptions, %d events in %v (%.0f/s), %.3f writes an event, %d MiB", subscriptions, subscriptions*perSubject, took,
		float64(subscriptions*perSubject)/took.Seconds(), perEvent, memory.HeapAlloc>>20)
}

// Receivers that hang do not delay the others: the slowest of them ends within twice its time without.
func TestReceiversThatHangDelayNoOther(t *testing.T) {
	t.Parallel()
	slowest := func(hanging int) time.Duration {
		w := newWorld("orders")
		sender := &counting{at: map[string]time.Time{}, fails: func(d core.Delivery) bool {
			var n int
			_, _ = fmt.Sscanf(d.Callback, "https://example.com/%d", &n)
			return n < hanging
		}}
		s := w.instance(t, func(c *subscribers.Config) { c.Sender, c.Pass = sender, 5*time.Minute })
		for i := range 40 {
			subscribe(t, s, subscribers.Request{Callback: fmt.Sprint("https://example.com/", i)})
		}
		w.publish(t, "orders", many(500, 50)...)
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
		defer stop()
		begun := time.Now()
		go func() { _ = s.Deliver(ctx) }()
		want := int64(500 * (40 - hanging))
		require.Eventually(t, func() bool { return sender.events.Load() >= want }, 3*time.Minute, time.Millisecond)
		sender.mu.Lock()
		defer sender.mu.Unlock()
		times := []time.Duration{}
		for _, at := range sender.at {
			times = append(times, at.Sub(begun))
		}
		return slices.Max(times)
	}
	without, with := slowest(0), slowest(10)
	t.Logf("the slowest of the others: %v without, %v with 10 of 40 that hang", without, with)
	if os.Getenv("EVENTSTORE_TEST_LONG") != "" { // a loaded machine would fail it
		require.Less(t, with, 2*without+time.Second)
	}
}

// countingLog counts what is read of a log.
type countingLog struct {
	core.Log
	reads atomic.Int64
}

func (l *countingLog) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	l.reads.Add(1)
	return l.Log.Read(ctx, q)
}
