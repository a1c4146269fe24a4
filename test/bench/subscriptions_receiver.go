package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// callbacks is a receiver that takes all that comes to it, and counts. Below /hang it never answers, and what
// has the subject "dead" it refuses.
type callbacks struct {
	url       string
	server    *http.Server
	delivered atomic.Int64

	mu   sync.Mutex
	took []time.Duration // guarded by mu; from an event's publishing to its arrival, of those whose data say when
}

func newCallbacks() (*callbacks, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &callbacks{url: "http://" + listener.Addr().String()}
	c.server = &http.Server{Handler: c}
	go c.server.Serve(listener)
	return c, nil
}

func (c *callbacks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil || r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case strings.HasPrefix(r.URL.Path, "/hang"):
		<-r.Context().Done()
	case strings.Contains(string(body), `"subject":"dead"`):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		c.take(string(body))
		w.WriteHeader(http.StatusNoContent)
	}
}

func (c *callbacks) take(body string) {
	c.delivered.Add(1)
	_, after, has := strings.Cut(body, `"sent":`)
	if !has {
		return
	}
	digits, _, _ := strings.Cut(after, "}")
	sent, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(time.Unix(0, sent)))
}

// times are those since the last call.
func (c *callbacks) times() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := c.took
	c.took = nil
	return took
}

// await waits until so many events were delivered in all.
func (c *callbacks) await(events int64) error {
	for deadline := time.Now().Add(20 * time.Minute); c.delivered.Load() < events; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("of %d deliveries %d came", events, c.delivered.Load())
		}
	}
	return nil
}

// timedEvent is an event that says when it was sent.
func timedEvent(subject string) string {
	return fmt.Sprintf(`{"type":"Timed","subject":%q,"data":{"sent":%d}}`, subject, time.Now().UnixNano())
}

// fillSubjects imports events that go round so many subjects.
func (p *process) fillSubjects(topic string, events, subjects int) error {
	r, w := io.Pipe()
	go func() {
		var err error
		for i := 0; i < events && err == nil; i++ {
			_, err = io.WriteString(w, strings.Replace(event, "order-4711", fmt.Sprint("order-", i%subjects), 1)+"\n")
		}
		w.CloseWithError(err)
	}()
	return p.post("/topics/"+topic+"/events", "application/x-ndjson", r)
}

// subscribe registers a callback for one subject, or with "" for all, from a position on; 0 is behind the head.
func (p *process) subscribe(callback, subject string, from int) error {
	path, filter := "/topics/bench/subscribe", ""
	if from > 0 {
		path += fmt.Sprint("?from=", from)
	}
	if subject != "" {
		filter = fmt.Sprintf(`,"subjects":[%q]`, subject)
	}
	return p.post(path, "application/json", strings.NewReader(fmt.Sprintf(`{"callback":%q%s}`, callback, filter)))
}
