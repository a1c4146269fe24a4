package subscriptions_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/functionshost"
	"eventstore/test/servers"
)

// long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }

// figures of a form.
type figures struct {
	events, subjects, kills, restarts, hanging int
	patience                                   time.Duration
}

func form() figures {
	if long() {
		return figures{10_000, 500, 50, 10, 5, 2 * time.Hour}
	}
	return figures{60, 6, 2, 1, 1, 8 * time.Minute}
}

// senders are hosts of one app over one store. Nothing is delivered but by their timers, each run of which is a
// process of its own: attempts that a publish or a registration begins meet a shut gate, and the process is killed.
type senders struct {
	hosts     []*app.Server
	gate      *gate
	receivers []*receiver
	ids       map[*receiver]string // of the subscriptions
	ticks     int
}

func newSenders(t *testing.T, hosts int, settings ...string) *senders {
	t.Helper()
	s := &senders{gate: new(gate), ids: map[*receiver]string{}}
	settings = append([]string{"EVENTSTORE_STORE=fs:" + t.TempDir(), "EVENTSTORE_CALLBACKS=any", "EVENTSTORE_RETRY=0s,30ms,100ms,200ms", "EVENTSTORE_LOG=error"}, settings...)
	for range hosts {
		s.hosts = append(s.hosts, app.Hosted(t, functionshost.Proxying, settings...))
	}
	s.hosts[0].CreateTopic(t, map[string]any{"name": "github"})
	return s
}

// receive registers a callback with a fault.
func (s *senders) receive(t *testing.T, name string, batch int, fault fault) *receiver {
	t.Helper()
	r := newReceiver(t, s.gate, name, fault)
	s.receivers = append(s.receivers, r)
	s.ids[r] = subscribe(t, s.hosts[0], r.URL, map[string]any{"secret": secret, "batch": batch}).ID
	return r
}

// publish publishes while the gate is shut.
func (s *senders) publish(t *testing.T, f figures) {
	t.Helper()
	s.gate.set(true)
	for first := 0; first < f.events; first += 1000 {
		var events []map[string]any
		for i := first; i < min(f.events, first+1000); i++ {
			events = append(events, map[string]any{"type": "Pushed", "subject": fmt.Sprint("repository-", i%f.subjects), "data": map[string]any{"n": i}})
		}
		answer := post(t, s.hosts[0], "/topics/github/events", events)
		require.Equal(t, http.StatusCreated, answer.Status, answer.Body)
	}
	s.hosts[0].Host.Restart()
}

// tick runs the timer in every host, each in a new process, and returns when all have ended.
func (s *senders) tick(t *testing.T) {
	var running sync.WaitGroup
	for _, host := range s.hosts {
		host.Host.Restart()
	}
	s.gate.set(false)
	for _, host := range s.hosts {
		s.ticks++
		running.Go(func() { _ = host.Host.RunTimer(t.Context(), "deliver") }) // one that is killed fails
	}
	running.Wait()
	s.gate.set(true)
}

// during runs disturb in the middle of a tick: when so many more events were taken, or the tick has ended.
func (s *senders) during(t *testing.T, more int, disturb func()) {
	t.Helper()
	var ended atomic.Bool
	before, done := s.taken(), make(chan struct{})
	go func() {
		defer close(done)
		s.tick(t)
		ended.Store(true)
	}()
	for s.taken() < before+more && !ended.Load() {
		time.Sleep(time.Millisecond)
	}
	disturb()
	<-done
}

func (s *senders) taken() (n int) {
	for _, r := range s.receivers {
		n += r.count()
	}
	return n
}

// status is a subscription as the API shows it.
type status struct {
	State     string
	Lag       int
	Parked    int
	LastError string
}

func (s *senders) status(t *testing.T, r *receiver) (got status) {
	t.Helper()
	answer := s.hosts[0].Do(t, "GET", "/topics/github/subscriptions/"+s.ids[r], nil)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	answer.JSON(t, &got)
	return got
}

// settle ticks until every subscription is where accept wants it; what is parked is redriven.
func (s *senders) settle(t *testing.T, patience time.Duration, accept func(*receiver, status) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		s.tick(t)
		settled := true
		for _, r := range s.receivers {
			now := s.status(t, r)
			if accept(r, now) {
				continue
			}
			settled = false
			require.True(t, time.Now().Before(deadline), "%s: %+v, %d taken", r.name, now, r.count())
			if now.State == "parked" {
				answer := s.hosts[0].Do(t, "POST", "/topics/github/subscriptions/"+s.ids[r]+"/redrive", nil)
				require.Equal(t, http.StatusOK, answer.Status, answer.Body)
				s.hosts[0].Host.Restart() // what the redrive itself began is over
			}
		}
		if settled {
			return
		}
	}
}

func caughtUp(_ *receiver, s status) bool { return s.Lag == 0 && s.State == "active" }

// Nothing lives between two runs of the timer, senders vanish, there are two of them, and storages restart, while
// receivers do all that receivers do.
func TestTimersAloneDeliverEverything(t *testing.T) {
	t.Parallel()
	f := form()
	for _, tt := range []struct {
		name  string
		hosts int
		hang  int
		store func(t *testing.T) (server *servers.Server, settings []string)
	}{
		{"a new process for every tick", 1, f.hanging, nil},
		{"senders are killed", 1, 0, nil},
		{"two senders at once, and killed", 2, 0, nil},
		{"Azurite restarts", 1, 0, onBlob},
		{"PostgreSQL restarts", 1, 0, onPostgres},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var server *servers.Server
			var settings []string
			if tt.store != nil {
				server, settings = tt.store(t)
			}
			s := newSenders(t, tt.hosts, settings...)
			s.receive(t, "is well, in batches", 20, nil)
			s.receive(t, "answers 500, 30 %", 1, sometimes(0.3, fails))
			s.receive(t, "takes and closes, 30 %", 1, sometimes(0.3, takesAndCloses))
			if server == nil || long() {
				s.receive(t, "is well", 1, nil)
				s.receive(t, "answers 500, 30 %, in batches", 7, sometimes(0.3, fails))
				s.receive(t, "answers 10 GiB, 10 %", 1, sometimes(0.1, answersWithoutEnd))
				s.receive(t, "redirects, 30 %", 1, sometimes(0.3, redirects))
				s.receive(t, "answers 429", 1, isBusy(2))
				s.receive(t, "is dead for a while", 1, isDead(10, 25))
			}
			if tt.hang > 0 {
				s.receive(t, "hangs", 1, hangs(tt.hang))
			}
			s.publish(t, f)
			disturbed := s.disturb(t, f, server, tt.name)
			s.settle(t, f.patience, caughtUp)
			for _, r := range s.receivers {
				r.requireAll(t, f.events)
			}
			t.Logf("%d ticks, each a process of its own, %s", s.ticks, disturbed)
		})
	}
}

// disturb makes the ticks that are not left alone.
func (s *senders) disturb(t *testing.T, f figures, server *servers.Server, name string) string {
	t.Helper()
	share := f.events * len(s.receivers)
	if server != nil {
		for range f.restarts {
			s.during(t, share/(3*f.restarts), func() {
				server.Stop(t)
				server.Start(t)
			})
		}
		return fmt.Sprintf("%d restarts of the storage", f.restarts)
	}
	if !strings.Contains(name, "killed") {
		return "none killed"
	}
	for range f.kills {
		s.during(t, rand.IntN(share/(2*f.kills)), func() {
			for _, host := range s.hosts {
				host.Host.Restart()
			}
		})
	}
	return fmt.Sprintf("%d killed", f.kills*len(s.hosts))
}

func onBlob(t *testing.T) (*servers.Server, []string) {
	server := servers.NewBlob(t)
	return server, []string{"EVENTSTORE_STORE=blob:eventstore", "AzureWebJobsStorage=" + server.Address}
}

func onPostgres(t *testing.T) (*servers.Server, []string) {
	server := servers.NewPostgres(t)
	return server, []string{"EVENTSTORE_STORE=" + server.Address}
}

// One subject that is never taken is parked, and stops no other; redriven, its events come in order.
func TestADeadSubjectStopsNoOther(t *testing.T) {
	t.Parallel()
	f := form()
	var mended atomic.Bool
	s := newSenders(t, 1)
	dead := "repository-3"
	for _, batch := range []int{1, 10} {
		s.receive(t, fmt.Sprint("refuses one subject, batch ", batch), batch, func(r *receiver, w http.ResponseWriter, _ *http.Request, _ int, events []arrival) bool {
			for _, e := range events {
				if e.Subject == dead && !mended.Load() {
					r.refuse()
					w.WriteHeader(http.StatusInternalServerError)
					return true
				}
			}
			return false
		})
	}
	s.publish(t, f)
	s.settle(t, f.patience, func(r *receiver, now status) bool {
		if now.State != "parked" || now.Lag > 0 || r.count() < f.events-f.events/f.subjects {
			return false
		}
		return true
	})
	for _, r := range s.receivers {
		counts := r.subjects()
		require.Zero(t, counts[dead], r.name)
		require.Len(t, counts, f.subjects-1, r.name)
		require.Equal(t, f.events/f.subjects, s.status(t, r).Parked, r.name)
	}
	mended.Store(true)
	s.settle(t, f.patience, caughtUp)
	for _, r := range s.receivers {
		r.requireAll(t, f.events)
	}
}
