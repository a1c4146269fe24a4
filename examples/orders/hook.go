package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// mailer is told of each order that was shipped, and would write to the customer.
type mailer struct {
	ready    chan struct{} // closed when verifier is set
	verifier *standardwebhooks.Webhook

	mu   sync.Mutex
	seen map[string]bool // guarded by mu; in a shop that is more than an example, a table
}

func newMailer() *mailer {
	return &mailer{ready: make(chan struct{}), seen: map[string]bool{}}
}

// subscribe registers the callback from the topic's beginning on, and makes a secret that it knows: that of the first
// registration is told once, and this program may have been started before.
func (m *mailer) subscribe(ctx context.Context, store *client, callback string) error {
	var registered struct{ ID, Secret string }
	err := store.call(ctx, "POST", "/topics/orders/subscribe?from=1", map[string]any{"callback": callback, "types": []string{"OrderShipped"}, "name": "mailer"}, &registered)
	if err != nil {
		return err
	}
	if registered.Secret == "" {
		if err := store.call(ctx, "POST", "/topics/orders/subscriptions/"+registered.ID+"/rotate-secret", nil, &registered); err != nil {
			return err
		}
	}
	if m.verifier, err = standardwebhooks.NewWebhook(registered.Secret); err != nil {
		return err
	}
	close(m.ready)
	return nil
}

// receive answers POST /hook. What it answers 2xx to is not sent again; anything else is.
func (m *mailer) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
	if err != nil {
		return
	}
	select {
	case <-m.ready:
	default:
		http.Error(w, "not subscribed yet", http.StatusServiceUnavailable)
		return
	}
	if m.verifier.Verify(body, r.Header) != nil {
		http.Error(w, "not signed by the store", http.StatusUnauthorized)
		return
	}
	var shipped struct{ Data placing }
	if err := json.Unmarshal(body, &shipped); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.once(r.Header.Get("webhook-id"), func() {
		fmt.Printf("to %s: your order %s is on its way\n", shipped.Data.Customer, shipped.Data.ID)
	})
	w.WriteHeader(http.StatusNoContent)
}

// once does something for a delivery that did not come before: every event arrives at least once.
func (m *mailer) once(delivery string, do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.seen[delivery] {
		do()
		m.seen[delivery] = true // last: what failed before is sent again
	}
}
