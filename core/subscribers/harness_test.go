package subscribers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/adapters/webhook"
	"eventstore/core"
	"eventstore/core/subscribers"
	"eventstore/core/topics"
)

// world is a store with topics, and any number of instances that serve its subscriptions.
type world struct {
	documents core.Documents
	mu        sync.Mutex
	logs      map[string]core.Log // guarded by mu
}

func newWorld(names ...string) *world {
	w := &world{documents: new(memory.Documents), logs: map[string]core.Log{}}
	for _, name := range names {
		w.logs[name] = new(memory.Log)
	}
	return w
}

func (w *world) open(_ context.Context, topic string) (core.Log, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if log := w.logs[topic]; log != nil {
		return log, nil
	}
	return nil, topics.ErrTopicNotFound
}

func (w *world) setLog(topic string, log core.Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[topic] = log
}

// quick is a ladder whose attempts all come within a test.
var quick = subscribers.Ladder{0, 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond}

// instance starts a service that remembers nothing, as another process would.
func (w *world) instance(t testing.TB, change ...func(*subscribers.Config)) *subscribers.Service {
	config := subscribers.Config{Documents: w.documents, Open: w.open, Sender: webhook.New(webhook.Config{Policy: webhook.Any}),
		Origin: "store.test", Retry: quick, Pass: 20 * time.Second, Linger: time.Second}
	for _, f := range change {
		f(&config)
	}
	s := subscribers.New(config)
	t.Cleanup(s.Close)
	return s
}

// publish appends events whose subjects are given; "" is an event without one.
func (w *world) publish(t tb, topic string, subjects ...string) []core.Event {
	t.Helper()
	log, err := w.open(t.Context(), topic)
	require.NoError(t, err)
	events := make([]core.Event, len(subjects))
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	for i, subject := range subjects {
		n := int(head.Position) + i + 1
		events[i] = core.Event{ID: fmt.Sprint("e", n), Type: []string{"Even", "Odd"}[n%2], Source: "/test", Subject: subject, Data: fmt.Sprintf(`{"n":%d}`, n)}
	}
	sealed, _ := core.Seal(head, time.Now(), events)
	require.NoError(t, log.Append(t.Context(), head, sealed))
	return sealed
}

// many are n subjects, round and round.
func many(n, subjects int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("s", i%subjects)
	}
	return list
}

// received is one event as it arrived.
type received struct {
	Sequence string `json:"sequence"`
	ID       string `json:"id"`
	Subject  string `json:"subject"`
	message  string // the webhook-id
	position core.Position
}

// receiver is a callback that keeps what it acknowledged, in order. fault decides, with the
// number of the attempt and its events, on another answer; true means that it has answered.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	got      []received        // guarded by mu; acknowledged
	attempts int               // guarded by mu
	bodies   map[string]string // guarded by mu; by webhook-id
	t        testing.TB
	fault    func(w http.ResponseWriter, r *http.Request, events []received) bool
}

func newReceiver(t testing.TB, fault func(w http.ResponseWriter, r *http.Request, events []received) bool) *receiver {
	r := &receiver{t: t, fault: fault, bodies: map[string]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodOptions {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender was stopped
	}
	events := r.parse(request.Header, body)
	r.mu.Lock()
	r.attempts++
	id := request.Header.Get("webhook-id")
	if before, again := r.bodies[id]; again && before != string(body) {
		r.t.Errorf("under the id %s came %s and %s", id, before, body)
	}
	r.bodies[id] = string(body)
	r.mu.Unlock()
	if r.fault != nil && r.fault(w, request, events) {
		return
	}
	r.mu.Lock()
	r.got = append(r.got, events...)
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) parse(header http.Header, body []byte) (events []received) {
	var err error
	if header.Get("Content-Type") == "application/cloudevents-batch+json" {
		err = json.Unmarshal(body, &events)
	} else {
		events = make([]received, 1)
		err = json.Unmarshal(body, &events[0])
	}
	if err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	for i := range events {
		events[i].message = header.Get("webhook-id")
		_, _ = fmt.Sscanf(events[i].Sequence, "%d", &events[i].position)
	}
	return events
}

func (r *receiver) acknowledged() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// requireAll checks what a receiver has to show in the end: every event, and the first deliveries of each
// subject in order. It returns the number of repeats.
func (r *receiver) requireAll(t testing.TB, events []core.Event) (repeats int) {
	t.Helper()
	got := r.acknowledged()
	requireOrder(t, got)
	seen := map[core.Position]bool{}
	for _, e := range got {
		if seen[e.position] {
			repeats++
		}
		seen[e.position] = true
	}
	for i := range events {
		require.True(t, seen[events[i].Position], "position %d never came", events[i].Position)
	}
	require.Len(t, seen, len(events))
	return repeats
}

func requireOrder(t testing.TB, got []received) {
	t.Helper()
	last, seen := map[string]core.Position{}, map[core.Position]bool{}
	for _, e := range got {
		if e.Subject == "" || seen[e.position] {
			continue
		}
		seen[e.position] = true
		require.Greater(t, e.position, last[e.Subject], "subject %s jumped", e.Subject)
		last[e.Subject] = e.position
	}
}

func subscribe(t testing.TB, s *subscribers.Service, q subscribers.Request) subscribers.Registered {
	t.Helper()
	if q.Topic == "" {
		q.Topic = "orders"
	}
	got, err := s.Subscribe(t.Context(), q)
	require.NoError(t, err)
	return got
}

func status(t testing.TB, s *subscribers.Service, id string) subscribers.Status {
	t.Helper()
	got, err := s.Get(t.Context(), "orders", id)
	require.NoError(t, err)
	return got
}

// settle delivers until a subscription has nothing due.
func settle(t testing.TB, s *subscribers.Service, id string, done func(subscribers.Status) bool) subscribers.Status {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute) // longer than the repeat takes of an attempt whose sender has vanished
	for {
		require.NoError(t, s.Deliver(t.Context()))
		now := status(t, s, id)
		if done(now) {
			return now
		}
		require.True(t, time.Now().Before(deadline), "%+v", now)
	}
}

func caughtUp(st subscribers.Status) bool { return st.Lag == 0 && st.State == "active" }

func decodeOne(d core.Delivery) (e received) {
	if err := json.Unmarshal(d.Body, &e); err != nil {
		panic(err)
	}
	return e
}
