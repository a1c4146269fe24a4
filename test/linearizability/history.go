package linearizability

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// topic is where the clients' operations go. Its methods are called from many goroutines. An error means that there was no answer.
type topic interface {
	// publish answers a publish: unknown where there was no answer, or it left it open, and busy where nothing was done.
	publish(client int, in input) output
	read(client int) (output, error)
	head(client int) (output, error)
}

// busy is the verdict of a publish that was not carried out and is left out of the history.
const busy verdict = -1

// history gathers the operations of clients that run at once.
type history struct {
	begun time.Time

	mu         sync.Mutex
	operations []porcupine.Operation // guarded by mu
	unknown    int                   // guarded by mu
	stored     int                   // guarded by mu; events
	names      []input               // guarded by mu; requests that were made, for others to repeat
	length     int                   // guarded by mu; the highest head that was seen
}

// record makes so many clients make so many operations each, and returns when all have.
func record(to topic, clients, operations int, random func(client int) *rand.Rand) *history {
	h := &history{begun: time.Now()}
	var running sync.WaitGroup
	for client := range clients {
		running.Go(func() {
			r := random(client)
			for n := range operations {
				h.one(to, client, n, r)
			}
		})
	}
	running.Wait()
	h.last(to)
	return h
}

// one makes one operation.
func (h *history) one(to topic, client, n int, random *rand.Rand) {
	switch random.IntN(10) {
	case 0, 1:
		h.look(client, input{kind: head}, func() (output, error) { return to.head(client) })
	case 2, 3, 4:
		h.look(client, input{kind: read}, func() (output, error) { return to.read(client) })
	default:
		in := h.draw(client, n, random)
		if h.publish(to, client, in) == unknown && random.IntN(2) == 0 {
			h.publish(to, client, in) // as who wants to know would
		}
	}
}

// last reads the topic once more, when all clients are done.
func (h *history) last(to topic) {
	for range 1000 {
		if h.look(0, input{kind: read}, func() (output, error) { return to.read(0) }) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // until the faults are over
	}
}

var subjects = []string{"a", "b", "c", "d"}

// draw makes up a publish: new, of another's or one's own that was made before, or of ids that were used with another content.
func (h *history) draw(client, n int, random *rand.Rand) input {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.names) > 0 && random.IntN(4) == 0 {
		in := h.names[len(h.names)-1-random.IntN(min(len(h.names), 10))]
		if random.IntN(4) == 0 {
			in.content++
		}
		return in
	}
	in := input{kind: publish, name: fmt.Sprintf("c%dn%d", client, n), events: 1 + random.IntN(3), subject: subjects[random.IntN(len(subjects))], expected: -1}
	switch random.IntN(4) {
	case 0:
		in.expected = max(0, h.length-random.IntN(2))
	case 1:
		in.failSubject, in.after = in.subject, max(0, h.length-random.IntN(3))
	}
	h.names = append(h.names, in)
	return in
}

// publish makes a publish and keeps it.
func (h *history) publish(to topic, client int, in input) verdict {
	call := h.now()
	out := to.publish(client, in)
	back := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch out.verdict {
	case busy:
		return busy
	case unknown:
		back = never
		h.unknown++
	case stored:
		h.stored += in.events
		h.length = max(h.length, out.first+in.events-1)
	}
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
	return out.verdict
}

// look makes a read and keeps it, unless it failed.
func (h *history) look(client int, in input, ask func() (output, error)) error {
	call := h.now()
	out, err := ask()
	back := h.now()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.length = max(h.length, out.head)
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
	return nil
}

func (h *history) now() int64 { return int64(time.Since(h.begun)) }

// check holds the history against the model.
func (h *history) check(patience time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, settle(h.operations), patience)
}
