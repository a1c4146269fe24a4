package app

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"eventstore/test/faults/report"
)

// Ledger publishes to one topic and keeps what it was told, to be held against what the topic has.
// It may be used from many goroutines.
type Ledger struct {
	Topic string
	// Pad is the most characters of padding in an event's data.
	Pad int
	// Row, where there is one, is told what each Check has found and what Settle has resolved.
	Row *report.Row

	mu       sync.Mutex
	requests map[string]*entry // by the name of the request; guarded by mu
	order    int               // guarded by mu
	highest  int64             // position that was acknowledged; guarded by mu
}

// entry is one request, and what became of it.
type entry struct {
	events  int
	data    []string
	after   int64 // position that was acknowledged before the request was made: it must lie above
	first   int64 // position of its first event, once it was acknowledged; else 0
	refused bool  // the answer said that nothing was stored
}

// NewLedger keeps a ledger for a topic.
func NewLedger(topic string, pad int) *Ledger {
	return &Ledger{Topic: topic, Pad: pad, requests: map[string]*entry{}}
}

// Publish publishes a new request of so many events, and returns the answer's status; 0 when there
// was none. Whatever is not acknowledged counts as unknown.
func (l *Ledger) Publish(t testing.TB, server *Server, events int) (status int) {
	t.Helper()
	name, body := l.begin(events)
	answer, err := Send(server.Request(t, "POST", "/topics/"+l.Topic+"/events", body, "Content-Type", "application/json"))
	if err != nil {
		return 0
	}
	l.end(t, name, answer)
	return answer.Status
}

// begin makes a request that nobody else has made.
func (l *Ledger) begin(events int) (name, body string) {
	e := &entry{events: events}
	l.mu.Lock()
	l.order++
	e.after = l.highest
	name = fmt.Sprintf("r%06d", l.order)
	l.requests[name] = e
	l.mu.Unlock()
	for i := range events {
		data := fmt.Sprintf(`{"of":%q,"n":%d,"pad":%q}`, name, i, strings.Repeat("x", rand.IntN(l.Pad+1)))
		e.data = append(e.data, data)
	}
	return name, e.body(name)
}

// body is the request as it is sent, each time.
func (e *entry) body(name string) string {
	var texts []string
	for i, data := range e.data {
		texts = append(texts, fmt.Sprintf(`{"id":"%s-%d","type":"Kept","data":%s}`, name, i, data))
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func (l *Ledger) end(t testing.TB, name string, answer Answer) {
	t.Helper()
	switch answer.Status {
	case http.StatusCreated:
		var result struct{ First, Last int64 }
		require.NoError(t, Decode([]byte(answer.Body), &result))
		l.mu.Lock()
		defer l.mu.Unlock()
		require.Equal(t, int64(l.requests[name].events), result.Last-result.First+1, answer.Body)
		l.requests[name].first = result.First
		l.highest = max(l.highest, result.Last)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusGatewayTimeout:
		var problem struct{ Outcome string }
		_ = Decode([]byte(answer.Body), &problem)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests[name].refused = problem.Outcome == "not-stored"
	default:
		t.Errorf("%s was answered with %d: %s", name, answer.Status, answer.Body)
	}
}

// Acknowledged is how many events were acknowledged so far.
func (l *Ledger) Acknowledged() (events int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acknowledged()
}

// acknowledged is Acknowledged for one who holds mu.
func (l *Ledger) acknowledged() (events int) {
	for _, e := range l.requests {
		if e.first > 0 {
			events += e.events
		}
	}
	return events
}

// kept is an event that was read back.
type kept struct {
	Position int64
	ID       string
	More     bool
	Data     jsontext.Value
}

// verdict is what a whole topic was found to be, as sentences about requests.
type verdict struct{ lost, duplicated, reordered []string }

// Check reads the whole topic and holds it against the ledger: positions are dense, the chain
// holds, no request is before one that was acknowledged before it was made, each acknowledged event is at the position that was answered with its bytes, each request
// is there whole or not at all, once, and none that was refused is there. It returns the number of
// events in the topic.
func (l *Ledger) Check(t testing.TB, server *Server) int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.read(t, server)
	v := l.judge(t, events)
	l.Row.Judge(l.acknowledged(), len(v.lost), len(v.duplicated), len(v.reordered))
	require.Empty(t, v.lost)
	require.Empty(t, v.duplicated)
	require.Empty(t, v.reordered)
	return len(events)
}

// judge looks at each request of the topic in turn. What is not the bytes of a whole request fails the test at once.
func (l *Ledger) judge(t testing.TB, events []kept) (v verdict) {
	t.Helper()
	found := map[string]bool{}
	for at := 0; at < len(events); {
		name, _, _ := strings.Cut(events[at].ID, "-")
		e := l.requests[name]
		require.NotNil(t, e, "position %d: %q was never published", at+1, events[at].ID)
		require.False(t, e.refused, "request %s is there, and was said not to be", name)
		require.LessOrEqual(t, at+e.events, len(events), "request %s is cut", name)
		for i, data := range e.data {
			got := events[at+i]
			require.Equal(t, kept{int64(at + i + 1), fmt.Sprintf("%s-%d", name, i), i < e.events-1, jsontext.Value(data)}, got)
		}
		switch {
		case found[name]:
			v.duplicated = append(v.duplicated, fmt.Sprintf("request %s is there twice", name))
		case e.first > 0 && e.first != int64(at+1):
			v.reordered = append(v.reordered, fmt.Sprintf("request %s is not where it was acknowledged: %d, not %d", name, at+1, e.first))
		case int64(at+1) <= e.after:
			v.reordered = append(v.reordered, fmt.Sprintf("request %s is before position %d, which was acknowledged before it was made", name, e.after))
		}
		found[name] = true
		at += e.events
	}
	for name, e := range l.requests {
		if e.first > 0 && !found[name] {
			v.lost = append(v.lost, fmt.Sprintf("request %s was acknowledged at %d and is not there", name, e.first))
		}
	}
	return v
}

// read streams the topic and has the server verify its chain.
func (l *Ledger) read(t testing.TB, server *Server) (events []kept) {
	t.Helper()
	answer := server.Do(t, "GET", "/topics/"+l.Topic+"/events", nil, "Accept", "application/x-ndjson")
	require.Equal(t, 200, answer.Status, answer.Body)
	lines := bufio.NewScanner(strings.NewReader(answer.Body))
	lines.Buffer(nil, 2<<20)
	for lines.Scan() {
		var e kept
		require.NoError(t, Decode(lines.Bytes(), &e), lines.Text())
		events = append(events, e)
	}
	require.Equal(t, fmt.Sprint(len(events)), answer.Header.Get("Event-Head"))
	verify := server.Do(t, "GET", "/topics/"+l.Topic+"/verify", nil)
	require.Equal(t, 200, verify.Status, verify.Body)
	require.NotContains(t, verify.Body, `"broken"`)
	return events
}
