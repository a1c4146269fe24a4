package subscribers_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/webhook"
	"eventstore/core"
	"eventstore/core/subscribers"
)

// watched sends, and keeps what it was given.
type watched struct {
	subscribers.Sender
	mu         sync.Mutex
	deliveries []core.Delivery // guarded by mu
}

func (w *watched) Send(ctx context.Context, d core.Delivery) (core.Answer, error) {
	w.mu.Lock()
	w.deliveries = append(w.deliveries, d)
	w.mu.Unlock()
	return w.Sender.Send(ctx, d)
}

func TestADeliveryTellsItsEventsAndARunWhereItStands(t *testing.T) {
	t.Parallel()
	w := newWorld("orders")
	events := w.publish(t, "orders", "a", "b", "a")
	refused := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, events []received) bool {
		if events[0].Subject == "b" {
			w.WriteHeader(http.StatusBadRequest)
		}
		return events[0].Subject == "b"
	})
	var mu sync.Mutex
	var last subscribers.Serving
	sender := &watched{Sender: webhook.New(webhook.Config{Policy: webhook.Any})}
	s := w.instance(t, func(c *subscribers.Config) {
		c.Sender = sender
		c.Retry = subscribers.Ladder{0}
		c.Served = func(told subscribers.Serving) {
			mu.Lock()
			defer mu.Unlock()
			last = told
		}
	})
	sub := subscribe(t, s, subscribers.Request{Callback: refused.URL, From: 1})
	settle(t, s, sub.ID, func(st subscribers.Status) bool { return st.State == "parked" && st.Lag == 0 })
	require.NoError(t, s.Deliver(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, subscribers.Serving{Topic: "orders", ID: sub.ID, Next: 4, Head: 3, Parked: 1}, last)
	sender.mu.Lock()
	defer sender.mu.Unlock()
	require.Len(t, sender.deliveries, 3)
	for _, d := range sender.deliveries {
		require.Equal(t, "orders", d.Topic)
		require.Len(t, d.Events, 1)
		require.Equal(t, events[d.Events[0].Position-1].ID, d.Events[0].ID)
	}
}
