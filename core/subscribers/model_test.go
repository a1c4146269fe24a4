package subscribers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/subscribers"
)

// tb is what the helpers need of a test, or of one of rapid's tries.
type tb interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// try is one of rapid's tries, in a bubble of time.
type try struct {
	*rapid.T
	ctx   context.Context
	outer *testing.T
}

func (t try) Context() context.Context { return t.ctx }

// Errorf tells at once what was wrong, as a course that depends on chance may not fail again.
func (t try) Errorf(format string, args ...any) {
	t.outer.Logf(format, args...)
	t.T.Errorf(format, args...)
}

// inBubble runs a try where waiting takes no time, and has it fail outside, as rapid expects.
func inBubble(t *testing.T, rt *rapid.T, f func(t tb)) {
	var failed any
	synctest.Test(t, func(t *testing.T) {
		defer func() { failed = recover() }()
		f(try{rt, t.Context(), t})
	})
	if failed != nil {
		panic(failed)
	}
}

// judge is a receiver in memory that drops repeats of an id, as Standard Webhooks advises, and
// sees whether a subject jumps.
type judge struct {
	mu     sync.Mutex
	broken map[string]bool // guarded by mu; subjects that are answered with 500
	down   bool            // guarded by mu
	takes  time.Duration   // at most, for an answer
	ids    map[string]string
	seen   map[core.Position]bool
	last   map[string]core.Position
	wrong  string // guarded by mu; the first thing that was not right
}

func newJudge() *judge {
	return &judge{takes: 20 * time.Millisecond, broken: map[string]bool{}, ids: map[string]string{}, seen: map[core.Position]bool{}, last: map[string]core.Position{}}
}

func (j *judge) Check(context.Context, string) error { return nil }

func (j *judge) Handshake(context.Context, string, string) (core.Permission, error) {
	return core.Permission{}, nil
}

func (j *judge) Send(ctx context.Context, d core.Delivery) (core.Answer, error) {
	timer := time.NewTimer(rand.N(j.takes))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		if rand.IntN(2) == 0 {
			return core.Answer{}, ctx.Err()
		}
	}
	return j.take(d), ctx.Err()
}

func (j *judge) take(d core.Delivery) core.Answer {
	j.mu.Lock()
	defer j.mu.Unlock()
	if before, again := j.ids[d.ID]; again && before != string(d.Body) {
		j.fault("the id %s came with two bodies", d.ID)
	}
	body := string(d.Body)
	if !strings.HasPrefix(body, "[") {
		body = "[" + body + "]"
	}
	var events []received
	if err := json.Unmarshal([]byte(body), &events); err != nil {
		j.fault("%v", err)
	}
	for _, e := range events {
		if j.down || j.broken[e.Subject] {
			return core.Answer{Status: 500}
		}
	}
	if _, again := j.ids[d.ID]; again {
		return core.Answer{Status: 200}
	}
	j.ids[d.ID] = string(d.Body)
	for _, e := range events {
		j.event(e)
	}
	return core.Answer{Status: 200}
}

func (j *judge) event(e received) {
	_, _ = fmt.Sscanf(e.Sequence, "%d", &e.position)
	if j.seen[e.position] {
		return
	}
	j.seen[e.position] = true
	if e.Subject != "" && e.position < j.last[e.Subject] {
		j.fault("subject %s: %d came behind %d", e.Subject, e.position, j.last[e.Subject])
	}
	j.last[e.Subject] = max(j.last[e.Subject], e.position)
}

func (j *judge) fault(format string, args ...any) {
	if j.wrong == "" {
		j.wrong = fmt.Sprintf(format, args...)
	}
}

func (j *judge) set(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
}

func (j *judge) missing(last core.Position) (missing []core.Position) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for p := core.Position(1); p <= last; p++ {
		if !j.seen[p] {
			missing = append(missing, p)
		}
	}
	return missing
}

// death is the call to storage at which a sender is killed, before or after the call's effect; the
// zero death is none.
type death struct {
	call  int
	fault coretest.Fault
}

// arrived is a store to which a write that was sent gets, whatever becomes of its sender.
type arrived struct{ core.Documents }

func (a arrived) Write(ctx context.Context, writes ...core.Write) ([]string, error) {
	return a.Documents.Write(context.WithoutCancel(ctx), writes...)
}

// documents are a store that fails from the death on, at which it calls kill.
func (d death) documents(documents core.Documents, kill func()) core.Documents {
	if d.call == 0 {
		return documents
	}
	var mu sync.Mutex
	n := d.call
	return &coretest.FlakyDocuments{Documents: arrived{documents}, Script: func(string) coretest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n--; {
		case n > 0:
			return coretest.Pass
		case n == 0:
			kill()
			return d.fault
		}
		return coretest.FailBefore
	}}
}

var short = subscribers.Ladder{0, time.Second, 10 * time.Second, time.Minute}

// serve delivers for a while with an instance that knows nothing, and may die.
func (j *judge) serve(t tb, w *world, d death, pass, linger time.Duration) {
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	s := subscribers.New(subscribers.Config{Documents: d.documents(w.documents, kill), Open: w.open, Sender: j, Retry: short, Pass: pass, Linger: linger})
	_ = s.Deliver(ctx)
	s.Close()
}

// heal delivers all that is left, once nothing is broken any more.
func (j *judge) heal(t tb, w *world, id string) {
	t.Helper()
	j.set(func() { j.broken, j.down = map[string]bool{}, false })
	s := subscribers.New(subscribers.Config{Documents: w.documents, Open: w.open, Sender: j, Retry: short, Linger: 10 * time.Second})
	defer s.Close()
	_, err := s.Resume(t.Context(), "orders", id)
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, s.Deliver(t.Context()))
		st, err := s.Get(t.Context(), "orders", id)
		require.NoError(t, err)
		if caughtUp(st) {
			break
		}
		if st.State == "parked" { // a redrive, like any change, has what is under way repeated: not more of them than are needed
			_, err := s.Redrive(t.Context(), "orders", id)
			require.NoError(t, err)
		}
		time.Sleep(20 * time.Second)
	}
	st, err := s.Get(t.Context(), "orders", id)
	require.NoError(t, err)
	require.True(t, caughtUp(st), "%+v", st)
	log, _ := w.open(t.Context(), "orders")
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	require.Empty(t, j.missing(head.Position))
	require.Empty(t, j.wrong)
}

// A sender dies at each of its calls to storage in turn, before and after the call's effect.
func TestACrashAtEveryCall(t *testing.T) {
	for _, batch := range []int{1, 8} {
		for _, fault := range []coretest.Fault{coretest.FailBefore, coretest.FailAfter} {
			for n := 1; n <= 40; n++ {
				synctest.Test(t, func(t *testing.T) {
					w, j := newWorld("orders"), newJudge()
					j.broken["s1"], j.broken["s2"] = true, true
					j.takes = []time.Duration{900 * time.Millisecond, 1500 * time.Millisecond}[n%2] // checkpoints come while deliveries are under way
					sub := registerWith(t, w, j, batch)
					w.publish(t, "orders", append(many(60, 12), "", "", "s1")...)
					j.serve(t, w, death{n, fault}, 4*time.Second, 4*time.Second)
					j.set(func() { j.broken["s1"] = n%2 == 0 })
					w.publish(t, "orders", many(8, 4)...)
					j.serve(t, w, death{n + 3, fault}, 80*time.Second, 80*time.Second)
					time.Sleep(time.Minute)
					j.heal(t, w, sub)
				})
			}
		}
	}
}

func registerWith(t tb, w *world, sender subscribers.Sender, batch int) string {
	t.Helper()
	s := subscribers.New(subscribers.Config{Documents: w.documents, Open: w.open, Sender: sender})
	defer s.Close()
	sub, err := s.Subscribe(t.Context(), subscribers.Request{Topic: "orders", Callback: "https://example.com/", Batch: batch, From: 1, TTL: 2000 * time.Hour})
	require.NoError(t, err)
	return sub.ID
}

// Any order of publishing, breaking, mending, delivering by one or two senders that may die,
// pausing, redriving, rewinding and waiting: no subject ever jumps, and in the end all has come.
func TestAnyCourseOfEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, rt, func(t tb) {
			w, j := newWorld("orders"), newJudge()
			id := registerWith(t, w, j, rapid.SampledFrom([]int{1, 1, 3, 8}).Draw(rt, "batch"))
			j.takes = rapid.SampledFrom([]time.Duration{20 * time.Millisecond, 1500 * time.Millisecond, 40 * time.Second}).Draw(rt, "takes")
			admin := subscribers.New(subscribers.Config{Documents: w.documents, Open: w.open, Sender: j, Retry: short})
			defer admin.Close()
			subject := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f"})
			act := func(f func() error) {
				if err := f(); err != nil && !errors.As(err, new(*core.InvalidError)) {
					rt.Fatal(err)
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"publish": func(rt *rapid.T) { w.publish(t, "orders", rapid.SliceOfN(subject, 1, 12).Draw(rt, "subjects")...) },
				"break":   func(rt *rapid.T) { j.set(func() { j.broken[subject.Draw(rt, "subject")] = true }) },
				"mend":    func(rt *rapid.T) { j.set(func() { delete(j.broken, subject.Draw(rt, "subject")) }) },
				"go down": func(rt *rapid.T) { j.set(func() { j.down = rapid.Bool().Draw(rt, "down") }) },
				"deliver": func(rt *rapid.T) { j.serve(t, w, death{}, 3*time.Second, 2*time.Second) },
				"die": func(rt *rapid.T) {
					fault := rapid.SampledFrom([]coretest.Fault{coretest.FailBefore, coretest.FailAfter}).Draw(rt, "fault")
					j.serve(t, w, death{rapid.IntRange(1, 30).Draw(rt, "calls"), fault}, 20*time.Second, 15*time.Second)
				},
				"two at once": func(rt *rapid.T) {
					var senders sync.WaitGroup
					for range 2 {
						n := rapid.IntRange(3, 40).Draw(rt, "calls")
						subscribers.ExpireLeases(t.Context(), w.documents)
						senders.Go(func() { j.serve(t, w, death{n, coretest.FailAfter}, 2*time.Second, time.Second) })
					}
					time.Sleep(10 * time.Millisecond)
					subscribers.ExpireLeases(t.Context(), w.documents)
					senders.Wait()
				},
				"redrive": func(rt *rapid.T) {
					act(func() error { _, err := admin.Redrive(t.Context(), "orders", id); return err })
				},
				"pause":  func(rt *rapid.T) { act(func() error { _, err := admin.Pause(t.Context(), "orders", id); return err }) },
				"resume": func(rt *rapid.T) { act(func() error { _, err := admin.Resume(t.Context(), "orders", id); return err }) },
				"rewind": func(rt *rapid.T) {
					from := core.Position(rapid.IntRange(1, 60).Draw(rt, "from"))
					act(func() error { _, err := admin.Rewind(t.Context(), "orders", id, from); return err })
				},
				"wait": func(rt *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 100).Draw(rt, "seconds")) * time.Second) },
				"":     func(rt *rapid.T) { j.mu.Lock(); defer j.mu.Unlock(); require.Empty(t, j.wrong) },
			})
			admin.Close()
			j.heal(t, w, id)
		})
	})
}
