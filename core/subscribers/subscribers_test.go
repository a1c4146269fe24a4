package subscribers_test

import (
	"net/http"
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

func TestEventsAreDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	before := w.publish(t, "orders", "a", "b", "a")
	r := newReceiver(t, nil)
	s := w.instance(t)
	sub := subscribe(t, s, subscribers.Request{Callback: r.URL, From: 1})
	require.True(t, sub.Created)
	after := w.publish(t, "orders", many(300, 7)...)
	st := settle(t, s, sub.ID, caughtUp)
	require.Zero(t, r.requireAll(t, append(before, after...)))
	require.EqualValues(t, 303, st.Delivered)
	require.EqualValues(t, 304, st.Next)
}

func TestOneBadSubjectIsParkedAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	broken := true
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, events []received) bool {
		if broken && events[0].Subject == "s3" {
			w.WriteHeader(500)
			return true
		}
		return false
	})
	s := w.instance(t)
	sub := subscribe(t, s, subscribers.Request{Callback: r.URL})
	events := w.publish(t, "orders", many(100, 10)...)
	st := settle(t, s, sub.ID, func(st subscribers.Status) bool { return st.State == "parked" && st.Lag == 0 })
	require.Equal(t, 10, st.Parked)
	require.Equal(t, "answered 500 Internal Server Error", st.LastError)
	require.EqualValues(t, 90, st.Delivered)
	parked, err := s.ListParked(t.Context(), "orders", sub.ID)
	require.NoError(t, err)
	require.Len(t, parked, 1)
	require.Equal(t, "s3", parked[0].Subject)
	require.Equal(t, []core.Position{4, 14, 24, 34, 44, 54, 64, 74, 84, 94}, parked[0].Positions)
	require.Equal(t, 4, parked[0].Attempts)

	events = append(events, w.publish(t, "orders", "s3", "s4")...)
	settle(t, s, sub.ID, func(st subscribers.Status) bool { return st.Delivered == 91 })
	broken = false
	_, err = s.Redrive(t.Context(), "orders", sub.ID)
	require.NoError(t, err)
	settle(t, s, sub.ID, caughtUp)
	require.Zero(t, r.requireAll(t, events))
}

func TestABatchThatFailsIsTakenApart(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, events []received) bool {
		for _, e := range events {
			if e.ID == "e7" || e.ID == "e12" {
				w.WriteHeader(500)
				return true
			}
		}
		return false
	})
	s := w.instance(t)
	sub := subscribe(t, s, subscribers.Request{Callback: r.URL, Batch: 20})
	events := w.publish(t, "orders", append(many(30, 4), "", "", "")...)
	st := settle(t, s, sub.ID, func(st subscribers.Status) bool {
		return st.State == "parked" && st.Lag == 0 && st.NextAttempt.IsZero()
	})
	parked, err := s.ListParked(t.Context(), "orders", sub.ID)
	require.NoError(t, err)
	require.Len(t, parked, 2)
	require.Equal(t, []core.Position{7, 11, 15, 19, 23, 27}, parked[0].Positions)
	require.Equal(t, []core.Position{12, 16, 20, 24, 28}, parked[1].Positions)
	require.Equal(t, 11, st.Parked)
	r.mu.Lock()
	r.fault = nil
	r.mu.Unlock()
	_, err = s.Redrive(t.Context(), "orders", sub.ID)
	require.NoError(t, err)
	settle(t, s, sub.ID, caughtUp)
	require.Zero(t, r.requireAll(t, events))
}

func TestA410EndsTheSubscription(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ []received) bool { w.WriteHeader(410); return true })
	s := w.instance(t)
	sub := subscribe(t, s, subscribers.Request{Callback: r.URL})
	w.publish(t, "orders", "a")
	require.NoError(t, s.Deliver(t.Context()))
	require.Eventually(t, func() bool {
		_, err := s.Get(t.Context(), "orders", sub.ID)
		return err == subscribers.ErrNotFound
	}, 5*time.Second, time.Millisecond)
	w.publish(t, "orders", "a")
	require.NoError(t, w.instance(t).Deliver(t.Context()))
	require.Equal(t, 1, r.attempts)
}

func TestRewindDeliversAgainUnderNewIDs(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	r := newReceiver(t, nil)
	s := w.instance(t)
	sub := subscribe(t, s, subscribers.Request{Callback: r.URL})
	w.publish(t, "orders", many(10, 3)...)
	settle(t, s, sub.ID, caughtUp)
	_, err := s.Rewind(t.Context(), "orders", sub.ID, 4)
	require.NoError(t, err)
	settle(t, s, sub.ID, func(st subscribers.Status) bool { return st.Delivered == 17 && st.Lag == 0 })
	ids := map[string]bool{}
	for _, e := range r.acknowledged() {
		require.False(t, ids[e.message], "%s came twice", e.message)
		require.Regexp(t, `^msg_[A-Za-z0-9]+$`, e.message)
		ids[e.message] = true
	}
	require.Len(t, ids, 17)
	for _, bad := range []core.Position{0, -1, 12, 100} {
		_, err = s.Rewind(t.Context(), "orders", sub.ID, bad)
		require.ErrorAs(t, err, new(*core.InvalidError), "%d", bad)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	r := newReceiver(t, nil)
	s := w.instance(t)
	sub := subscribe(t, s, subscribers.Request{Callback: r.URL})
	st, err := s.Pause(t.Context(), "orders", sub.ID)
	require.NoError(t, err)
	require.Equal(t, "paused", st.State)
	events := w.publish(t, "orders", many(5, 2)...)
	require.NoError(t, s.Deliver(t.Context()))
	require.NoError(t, w.instance(t).Deliver(t.Context()))
	require.Empty(t, r.acknowledged())
	_, err = s.Resume(t.Context(), "orders", sub.ID)
	require.NoError(t, err)
	settle(t, s, sub.ID, caughtUp)
	require.Zero(t, r.requireAll(t, events))
}

func TestRewindAndParkedSubjects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		from    core.Position
		redrive bool
	}{
		{"what is parked behind the position is delivered afresh", 2, false},
		{"what is parked before it stays so", 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, j := newWorld("orders"), newJudge()
			j.broken["s3"] = true
			s := w.instance(t, func(c *subscribers.Config) { c.Sender = j })
			sub := subscribe(t, s, subscribers.Request{Callback: "https://example.com/"})
			w.publish(t, "orders", many(50, 10)...)
			settle(t, s, sub.ID, func(st subscribers.Status) bool { return st.State == "parked" && st.Parked == 5 })
			j.set(func() { delete(j.broken, "s3") })
			_, err := s.Rewind(t.Context(), "orders", sub.ID, tt.from)
			require.NoError(t, err)
			if tt.redrive {
				st := settle(t, s, sub.ID, func(st subscribers.Status) bool { return st.Lag == 0 })
				require.Equal(t, "parked", st.State)
				require.Equal(t, 5, st.Parked)
				_, err := s.Redrive(t.Context(), "orders", sub.ID)
				require.NoError(t, err)
			}
			settle(t, s, sub.ID, caughtUp)
			require.Empty(t, j.missing(50))
			require.Empty(t, j.wrong)
		})
	}
}

func TestIDsOfDeliveries(t *testing.T) {
	t.Parallel()
	seen := map[string][]core.Position{}
	for _, positions := range [][]core.Position{{1}, {5}, {1, 5}, {1, 3, 5}, {1, 2, 5}, {1, 2, 3, 4, 5}, {1, 51}, {15, 1}} {
		id := subscribers.DeliveryID(0, positions...)
		require.Regexp(t, `^msg_[A-Za-z0-9]+$`, id)
		require.Equal(t, id, subscribers.DeliveryID(0, positions...))
		require.NotEqual(t, id, subscribers.DeliveryID(1, positions...))
		require.NotContains(t, seen, id, "%v and %v", positions, seen[id])
		seen[id] = positions
	}
}

func TestRegisteringFailsAtAnyCallAndIsRepeated(t *testing.T) {
	t.Parallel()
	for _, fault := range []coretest.Fault{coretest.FailBefore, coretest.FailAfter} {
		for _, call := range []string{"Documents.Get", "Documents.Write", "Documents.List"} {
			for n := 1; n <= 4; n++ {
				w := newWorld("orders")
				var left atomic.Int64
				left.Store(int64(n))
				failing := w.instance(t, func(c *subscribers.Config) {
					c.Sender = newJudge()
					c.Documents = &coretest.FlakyDocuments{Documents: w.documents, Script: func(name string) coretest.Fault {
						if name != call {
							return coretest.Pass
						}
						if left.Add(-1) == 0 {
							return fault
						}
						return coretest.Pass
					}}
				})
				first, err := failing.Subscribe(t.Context(), subscribers.Request{Topic: "orders", Callback: "https://example.com/"})
				failing.Close()
				s := w.instance(t, func(c *subscribers.Config) { c.Sender = newJudge() })
				again := subscribe(t, s, subscribers.Request{Callback: "https://example.com/"})
				if err == nil {
					require.False(t, again.Created, "what was answered is there")
					require.Equal(t, first.ID, again.ID)
				}
				all, _, err := s.List(t.Context(), "orders", "", 10)
				require.NoError(t, err)
				require.Len(t, all, 1)
			}
		}
	}
}

func TestOneSubscriptionOfSeveralRacingRegistrations(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	var mu sync.Mutex
	secrets := []string{}
	var racing sync.WaitGroup
	for range 8 {
		s := w.instance(t, func(c *subscribers.Config) { c.Sender = newJudge() })
		racing.Go(func() {
			got, err := s.Subscribe(t.Context(), subscribers.Request{Topic: "orders", Callback: "https://example.com/"})
			require.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			if got.Created {
				secrets = append(secrets, got.Secret)
			}
		})
	}
	racing.Wait()
	require.Len(t, secrets, 1, "one was told the secret")
}

func TestLadders(t *testing.T) {
	t.Parallel()
	got, err := subscribers.ParseLadder("0s, 5s,30s,2m,10m,30m,1h,2h,4h,8h")
	require.NoError(t, err)
	require.Equal(t, subscribers.DefaultLadder(), got)
	for _, bad := range []string{"", "5", "0s,", "-1s", "1d", "721h"} {
		_, err := subscribers.ParseLadder(bad)
		require.Error(t, err, bad)
	}
}

func TestOneSubscriptionPerTopicCallbackFilterAndName(t *testing.T) {
	t.Parallel()
	w := newWorld("orders", "payments")
	s := w.instance(t, func(c *subscribers.Config) { c.Sender = newJudge() })
	base := subscribers.Request{Topic: "orders", Callback: "https://example.com/", Item: core.Item{Types: []string{"a", "b"}}}
	first := subscribe(t, s, base)
	same := base
	same.Item.Types = []string{"b", "a", "b"}
	same.Batch, same.TTL = 7, time.Hour
	require.Equal(t, first.ID, subscribe(t, s, same).ID, "the order of a filter's values does not matter, nor what is no part of the identity")
	require.Equal(t, 1, status(t, s, first.ID).Batch, "all but the expiry is as it was")
	ids := map[string]bool{first.ID: true}
	for _, change := range []func(*subscribers.Request){
		func(q *subscribers.Request) { q.Topic = "payments" },
		func(q *subscribers.Request) { q.Callback += "?" },
		func(q *subscribers.Request) { q.Name = "x" },
		func(q *subscribers.Request) { q.Item = core.Item{} },
		func(q *subscribers.Request) { q.Item = core.Item{Subjects: []string{"a", "b"}} },
		func(q *subscribers.Request) { q.Item = core.Item{Types: []string{"a"}, Subjects: []string{"b"}} },
		func(q *subscribers.Request) { q.Item = core.Item{Types: []string{"a,b"}} },
	} {
		q := base
		change(&q)
		got := subscribe(t, s, q)
		require.True(t, got.Created)
		require.NotContains(t, ids, got.ID)
		ids[got.ID] = true
	}
}

// A batch that failed holds back the subjects that were in it. What one of them does later is not the others' fault.
func TestSubjectsThatOnceFailedTogetherDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	var down atomic.Bool
	down.Store(true)
	r := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request, events []received) bool {
		if !down.Load() && !slices.ContainsFunc(events, func(e received) bool { return e.position == 4 }) {
			return false
		}
		rw.WriteHeader(http.StatusInternalServerError)
		return true
	})
	s := w.instance(t, func(c *subscribers.Config) { c.Linger = time.Nanosecond })
	w.publish(t, "orders", "a", "b", "c")
	id := subscribe(t, s, subscribers.Request{Callback: r.URL, From: 1, Batch: 5}).ID
	settle(t, s, id, func(st subscribers.Status) bool { return st.Attempts == 1 })
	w.publish(t, "orders", "a")
	settle(t, s, id, func(st subscribers.Status) bool { return st.Attempts == 2 && st.Lag == 0 })
	down.Store(false)
	settle(t, s, id, func(st subscribers.Status) bool { return st.State == "parked" })
	w.publish(t, "orders", "b", "c", "a")
	st := settle(t, s, id, func(st subscribers.Status) bool { return st.Lag == 0 })
	require.Equal(t, 2, st.Parked, "positions 4 and 7")
	positions := []core.Position{}
	for _, e := range r.acknowledged() {
		positions = append(positions, e.position)
	}
	require.Equal(t, []core.Position{1, 2, 3, 5, 6}, positions)
}
