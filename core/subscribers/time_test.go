package subscribers_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/subscribers"
)

// fakeSender answers in memory, so that a test has a clock of its own.
type fakeSender struct {
	mu         sync.Mutex
	sent       []call // guarded by mu
	answer     func(n int, d core.Delivery) (core.Answer, error)
	takes      time.Duration
	permission core.Permission
}

type call struct {
	core.Delivery
	at time.Time
}

func (f *fakeSender) Check(context.Context, string) error { return nil }

func (f *fakeSender) Handshake(context.Context, string, string) (core.Permission, error) {
	return f.permission, nil
}

func (f *fakeSender) Send(ctx context.Context, d core.Delivery) (core.Answer, error) {
	f.mu.Lock()
	f.sent = append(f.sent, call{d, time.Now()})
	n := len(f.sent)
	f.mu.Unlock()
	timer := time.NewTimer(f.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return core.Answer{}, ctx.Err()
	}
	if f.answer == nil {
		return core.Answer{Status: 204}, nil
	}
	return f.answer(n, d)
}

func (f *fakeSender) calls() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]call(nil), f.sent...)
}

// ticking delivers as the timer of a new process would: every so often, with nothing remembered.
func ticking(t *testing.T, w *world, sender subscribers.Sender, every time.Duration, ticks int, change ...func(*subscribers.Config)) {
	t.Helper()
	for range ticks {
		begun := time.Now()
		s := subscribers.New(config(w, sender, change...))
		require.NoError(t, s.Deliver(t.Context()))
		s.Close()
		time.Sleep(every - time.Since(begun))
	}
}

func config(w *world, sender subscribers.Sender, change ...func(*subscribers.Config)) subscribers.Config {
	c := subscribers.Config{Documents: w.documents, Open: w.open, Sender: sender}
	for _, f := range change {
		f(&c)
	}
	return c
}

func register(t *testing.T, w *world, sender subscribers.Sender, q subscribers.Request) subscribers.Registered {
	t.Helper()
	s := subscribers.New(config(w, sender))
	defer s.Close()
	q.Topic, q.Callback = "orders", "https://example.com/hook"
	got, err := s.Subscribe(t.Context(), q)
	require.NoError(t, err)
	return got
}

func look(t *testing.T, w *world, id string) subscribers.Status {
	t.Helper()
	s := subscribers.New(config(w, &fakeSender{}))
	defer s.Close()
	got, err := s.Get(t.Context(), "orders", id)
	require.NoError(t, err)
	return got
}

// every tick is a new process that knows nothing, and there is no nudge.
func TestTheDefaultLadderUnderTimersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{answer: func(int, core.Delivery) (core.Answer, error) { return core.Answer{Status: 500}, nil }}
		sub := register(t, w, sender, subscribers.Request{TTL: 2000 * time.Hour})
		w.publish(t, "orders", "a")
		begun := time.Now()
		ticking(t, w, sender, 30*time.Second, 2*60*18)
		calls := sender.calls()
		ladder := subscribers.DefaultLadder()
		require.Len(t, calls, len(ladder))
		before := begun
		for i, c := range calls {
			wait := c.at.Sub(before)
			require.GreaterOrEqual(t, wait, ladder[i]*9/10, "attempt %d", i+1)
			require.LessOrEqual(t, wait, ladder[i]*11/10+30*time.Second, "attempt %d", i+1)
			require.Equal(t, calls[0].ID, c.ID, "the id stays")
			require.Equal(t, calls[0].Body, c.Body)
			before = c.at
		}
		st := look(t, w, sub.ID)
		require.Equal(t, "parked", st.State)
		require.Equal(t, 10, st.Attempts)
		require.Equal(t, 1, st.Parked)
		require.Zero(t, st.NextAttempt)
	})
}

func TestRetryAfterIsHonouredAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ asked, waits time.Duration }{{30 * time.Minute, 30 * time.Minute}, {1000 * time.Hour, 24 * time.Hour}} {
			w := newWorld("orders")
			sender := &fakeSender{answer: func(n int, _ core.Delivery) (core.Answer, error) {
				if n == 1 {
					return core.Answer{Status: 503, RetryAfter: tt.asked}, nil
				}
				return core.Answer{Status: 200}, nil
			}}
			sub := register(t, w, sender, subscribers.Request{TTL: 2000 * time.Hour})
			w.publish(t, "orders", "a")
			begun := time.Now()
			ticking(t, w, sender, time.Minute, 1)
			w.publish(t, "orders", "b", "c", "d")
			ticking(t, w, sender, 5*time.Minute, 25*12)
			calls := sender.calls()
			require.Len(t, calls, 5)
			for _, c := range calls[1:] {
				require.GreaterOrEqual(t, c.at.Sub(begun), tt.waits)
				require.LessOrEqual(t, c.at.Sub(begun), tt.waits+6*time.Minute)
			}
			require.Equal(t, "active", look(t, w, sub.ID).State)
		}
	})
}

func TestAReceiverThatIsDeadIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		var alive bool
		sender := &fakeSender{answer: func(int, core.Delivery) (core.Answer, error) {
			if alive {
				return core.Answer{Status: 200}, nil
			}
			return core.Answer{}, errors.New("connection refused")
		}}
		sub := register(t, w, sender, subscribers.Request{TTL: 2000 * time.Hour})
		w.publish(t, "orders", many(1000, 500)...)
		ticking(t, w, sender, time.Minute, 6*60)
		st := look(t, w, sub.ID)
		require.Equal(t, "retrying", st.State)
		require.Equal(t, "connection refused", st.LastError)
		require.Less(t, int64(st.Next), int64(25), "the subscription does not move")
		require.Less(t, len(sender.calls()), 150, "it is not flooded")
		alive = true
		w.publish(t, "orders", "fresh")
		ticking(t, w, sender, time.Minute, 9*60)
		require.Equal(t, "active", look(t, w, sub.ID).State)
		require.EqualValues(t, 1001, look(t, w, sub.ID).Delivered)
	})
}

// One subject hangs until the delivery's time is over: the others go on meanwhile.
func TestASubjectThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{}
		var mu sync.Mutex
		arrived := map[string]time.Time{}
		slow := senderFunc(func(ctx context.Context, d core.Delivery) (core.Answer, error) {
			subject := subjectOf(d)
			if subject == "s7" {
				time.Sleep(30 * time.Second)
				return core.Answer{}, errors.New("no answer in 30 s")
			}
			time.Sleep(5 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			arrived[subject] = time.Now()
			return core.Answer{Status: 200}, nil
		})
		register(t, w, sender, subscribers.Request{TTL: 2000 * time.Hour})
		w.publish(t, "orders", many(5000, 500)...)
		begun := time.Now()
		s := subscribers.New(config(w, slow))
		require.NoError(t, s.Deliver(t.Context()))
		s.Close()
		require.Len(t, arrived, 499)
		for subject, at := range arrived {
			require.Less(t, at.Sub(begun), 10*time.Second, subject)
		}
	})
}

type senderFunc func(ctx context.Context, d core.Delivery) (core.Answer, error)

func (f senderFunc) Check(context.Context, string) error { return nil }
func (f senderFunc) Handshake(context.Context, string, string) (core.Permission, error) {
	return core.Permission{}, nil
}
func (f senderFunc) Send(ctx context.Context, d core.Delivery) (core.Answer, error) { return f(ctx, d) }

func subjectOf(d core.Delivery) string { return decodeOne(d).Subject }

func TestSubscriptionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{}
		sub := register(t, w, sender, subscribers.Request{TTL: time.Hour})
		require.Equal(t, time.Now().Add(time.Hour).UTC(), sub.Expires)
		time.Sleep(50 * time.Minute)
		renewed := register(t, w, sender, subscribers.Request{TTL: time.Hour})
		require.False(t, renewed.Created)
		require.Empty(t, renewed.Secret)
		require.Equal(t, sub.ID, renewed.ID)
		time.Sleep(50 * time.Minute)
		w.publish(t, "orders", "a")
		ticking(t, w, sender, time.Minute, 1)
		require.Len(t, sender.calls(), 1)
		time.Sleep(20 * time.Minute)
		s := subscribers.New(config(w, sender))
		_, err := s.Get(t.Context(), "orders", sub.ID)
		require.ErrorIs(t, err, subscribers.ErrNotFound)
		w.publish(t, "orders", "a")
		ticking(t, w, sender, time.Minute, 2)
		require.Len(t, sender.calls(), 1)
		for _, collection := range []string{"subscriptions", "deliveries", "deliveries-held"} {
			for document := range w.documents.List(t.Context(), collection, core.ListQuery{}) {
				t.Errorf("%s is left of %s", document.Key, collection)
			}
		}
		again := register(t, w, sender, subscribers.Request{TTL: time.Hour, From: 1})
		require.True(t, again.Created)
		require.Equal(t, sub.ID, again.ID)
		require.NotEqual(t, sub.Secret, again.Secret)
		ticking(t, w, sender, time.Minute, 1)
		calls := sender.calls()
		require.Len(t, calls, 3)
		require.NotEqual(t, calls[0].ID, calls[1].ID, "what is registered anew delivers under new ids")
		s.Close()
	})
}

func TestRotatedSecretsBothSignForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{}
		sub := register(t, w, sender, subscribers.Request{})
		s := subscribers.New(config(w, sender))
		defer s.Close()
		fresh, err := s.RotateSecret(t.Context(), "orders", sub.ID)
		require.NoError(t, err)
		for _, wait := range []time.Duration{0, 23 * time.Hour, 2 * time.Hour} {
			time.Sleep(wait)
			w.publish(t, "orders", "a")
			ticking(t, w, sender, time.Minute, 1)
		}
		calls := sender.calls()
		require.Len(t, calls, 3)
		require.Equal(t, []string{fresh, sub.Secret}, calls[0].Secrets)
		require.Equal(t, []string{fresh, sub.Secret}, calls[1].Secrets)
		require.Equal(t, []string{fresh}, calls[2].Secrets)
	})
}

func TestAnAgreedRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{permission: core.Permission{Verified: true, Rate: 30}}
		sub := register(t, w, sender, subscribers.Request{})
		require.True(t, sub.Verified)
		w.publish(t, "orders", many(40, 40)...)
		ticking(t, w, sender, time.Minute, 3, func(c *subscribers.Config) { c.Linger = 45 * time.Second })
		calls := sender.calls()
		require.Len(t, calls, 40)
		for i := range calls[1:] {
			require.GreaterOrEqual(t, calls[i+1].at.Sub(calls[i].at), 2*time.Second)
			require.Equal(t, "eventstore", calls[i].Origin)
		}
	})
}

func TestAnotherLogInTheTopicsPlaceIsToldAndNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, replace := range map[string][]string{"shorter": {"x"}, "as long": {"x", "y", "z"}, "longer": {"x", "y", "z", "w"}} {
			w := newWorld("orders")
			sender := &fakeSender{}
			sub := register(t, w, sender, subscribers.Request{})
			w.publish(t, "orders", "a", "b", "c")
			ticking(t, w, sender, time.Minute, 1)
			require.Len(t, sender.calls(), 3)
			time.Sleep(time.Hour) // the other log's events are of another time
			other := newWorld("orders")
			other.publish(t, "orders", replace...)
			log, err := other.open(t.Context(), "orders")
			require.NoError(t, err)
			w.setLog("orders", log)
			ticking(t, w, sender, time.Minute, 2)
			require.Len(t, sender.calls(), 3, name)
			st := look(t, w, sub.ID)
			require.Equal(t, "paused", st.State)
			require.Contains(t, st.LastError, "not the one it was")
			s := subscribers.New(config(w, sender))
			_, err = s.Rewind(t.Context(), "orders", sub.ID, 1)
			require.NoError(t, err)
			s.Close()
			ticking(t, w, sender, time.Minute, 1)
			require.Len(t, sender.calls(), 3+len(replace), name)
			require.Equal(t, "active", look(t, w, sub.ID).State)
		}
	})
}

func TestLeasesKeepTwoInstancesFromTheSameWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{takes: 300 * time.Millisecond}
		register(t, w, sender, subscribers.Request{})
		w.publish(t, "orders", many(200, 4)...)
		var instances sync.WaitGroup
		for range 4 {
			s := subscribers.New(config(w, sender))
			defer s.Close()
			instances.Go(func() { require.NoError(t, s.Deliver(t.Context())) })
		}
		instances.Wait()
		require.Len(t, sender.calls(), 200)
	})
}

func TestANudgeDeliversWithoutATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("orders")
		sender := &fakeSender{}
		register(t, w, sender, subscribers.Request{})
		s := subscribers.New(config(w, sender))
		defer s.Close()
		for i := range 20 {
			w.publish(t, "orders", "a", "b")
			s.Nudge("orders")
			time.Sleep(time.Second)
			require.Len(t, sender.calls(), 2*(i+1), fmt.Sprint("after nudge ", i+1))
		}
	})
}
