package subscriptions_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

// receiver is a callback with a fault. It keeps, in order, what it has taken.
type receiver struct {
	*httptest.Server
	name     string
	gate     *gate
	fault    fault
	verifier *standardwebhooks.Webhook
	t        *testing.T

	mu       sync.Mutex
	attempts int                 // guarded by mu
	faults   int                 // guarded by mu
	taken    []arrival           // guarded by mu
	bodies   map[string][32]byte // guarded by mu; digests, by webhook-id
}

// arrival is one event as it came.
type arrival struct{ Subject, Sequence string }

// fault answers an attempt in its own way: by its number, from 1, and its first event. It reports whether
// it did; otherwise the attempt is taken and acknowledged.
type fault func(r *receiver, w http.ResponseWriter, request *http.Request, attempt int, events []arrival) bool

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newReceiver(t *testing.T, gate *gate, name string, fault fault) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	r := &receiver{name: name, gate: gate, fault: fault, verifier: verifier, t: t, bodies: map[string][32]byte{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost || request.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil || !r.gate.pass(request) {
		return // the sender is gone
	}
	events := r.parse(request.Header, body)
	r.mu.Lock()
	r.attempts++
	attempt := r.attempts
	r.mu.Unlock()
	if r.fault != nil && r.fault(r, w, request, attempt, events) {
		return
	}
	r.take(events)
	w.WriteHeader(http.StatusNoContent)
}

// parse verifies a delivery, and that what came under its id before was the same.
func (r *receiver) parse(header http.Header, body []byte) (events []arrival) {
	if err := r.verifier.Verify(body, header); err != nil {
		r.t.Errorf("%s: %v", r.name, err)
	}
	text := string(body)
	if !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	if err := json.Unmarshal([]byte(text), &events); err != nil {
		r.t.Errorf("%s: %v: %s", r.name, err, text)
	}
	id, digest := header.Get("webhook-id"), sha256.Sum256(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, again := r.bodies[id]; again && before != digest {
		r.t.Errorf("%s: under the id %s came two bodies", r.name, id)
	}
	r.bodies[id] = digest
	return events
}

func (r *receiver) take(events []arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, events...)
}

// refuse counts a fault.
func (r *receiver) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults++
}

// count is how many events were taken.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.taken)
}

// subjects are how many different events of each subject were taken.
func (r *receiver) subjects() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, counts := map[string]bool{}, map[string]int{}
	for _, e := range r.taken {
		if !seen[e.Sequence] {
			seen[e.Sequence] = true
			counts[e.Subject]++
		}
	}
	return counts
}

// requireAll checks that every event of a topic came, and that each subject's came in order, repeats aside. It
// prints the figures.
func (r *receiver) requireAll(t *testing.T, events int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, last := map[string]bool{}, map[string]string{}
	for _, e := range r.taken {
		if seen[e.Sequence] {
			continue
		}
		seen[e.Sequence] = true
		require.Greater(t, e.Sequence, last[e.Subject], "%s: %s jumped", r.name, e.Subject)
		last[e.Subject] = e.Sequence
	}
	require.Len(t, seen, events, r.name)
	t.Logf("%-28s %6d events, %6d attempts, %6d faults, %6d deliveries, %5d duplicates", r.name, events, r.attempts, r.faults, len(r.taken), len(r.taken)-events)
}

// gate keeps attempts waiting while it is shut, until their sender is gone: so none counts that no timer made.
type gate struct {
	mu   sync.Mutex
	shut bool // guarded by mu
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

func (g *gate) pass(request *http.Request) bool {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut {
		<-request.Context().Done()
	}
	return !shut
}

// sometimes is a fault of a share of the attempts.
func sometimes(share float64, answer func(r *receiver, w http.ResponseWriter, request *http.Request, events []arrival)) fault {
	return func(r *receiver, w http.ResponseWriter, request *http.Request, _ int, events []arrival) bool {
		if rand.Float64() >= share {
			return false
		}
		r.refuse()
		answer(r, w, request, events)
		return true
	}
}

func fails(_ *receiver, w http.ResponseWriter, _ *http.Request, _ []arrival) {
	w.WriteHeader(http.StatusInternalServerError)
}

// takesAndCloses has done its work, and closes before it has said so.
func takesAndCloses(r *receiver, _ http.ResponseWriter, _ *http.Request, events []arrival) {
	r.take(events)
	panic(http.ErrAbortHandler)
}

// answersWithoutEnd takes an event and answers with 10 GiB, of which a sender reads next to nothing.
func answersWithoutEnd(r *receiver, w http.ResponseWriter, _ *http.Request, events []arrival) {
	r.take(events)
	w.Header().Set("Content-Length", fmt.Sprint(10<<30))
	chunk, sent := make([]byte, 64<<10), 0
	for n, err := w.Write(chunk); err == nil; n, err = w.Write(chunk) {
		if sent += n; sent > 1<<30 {
			r.t.Errorf("%s: the sender reads the whole answer", r.name)
			return
		}
	}
}

func redirects(_ *receiver, w http.ResponseWriter, request *http.Request, _ []arrival) {
	http.Redirect(w, request, "/elsewhere", http.StatusTemporaryRedirect)
}

// hangs says nothing to the first attempts until the sender has given up.
func hangs(first int) fault {
	return func(r *receiver, _ http.ResponseWriter, request *http.Request, attempt int, _ []arrival) bool {
		if attempt > first {
			return false
		}
		r.refuse()
		<-request.Context().Done()
		return true
	}
}

// isBusy answers the first attempts with 429.
func isBusy(first int) fault {
	return func(r *receiver, w http.ResponseWriter, _ *http.Request, attempt int, _ []arrival) bool {
		if attempt > first {
			return false
		}
		r.refuse()
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
}

// isDead refuses the attempts from one to another.
func isDead(from, to int) fault {
	return func(r *receiver, w http.ResponseWriter, _ *http.Request, attempt int, _ []arrival) bool {
		if attempt < from || attempt >= to {
			return false
		}
		r.refuse()
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
}
