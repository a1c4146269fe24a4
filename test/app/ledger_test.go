package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// store answers as the server does, from memory, and has one fault.
type store struct {
	mu    sync.Mutex
	lines []string // of events, without positions
	held  []string // those that an order fault keeps back
	fault string
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		s.publish(w, string(body))
	case strings.HasSuffix(r.URL.Path, "/verify"):
		io.WriteString(w, map[bool]string{true: `{"broken":{}}`, false: `{}`}[s.fault == "broken chain"])
	default:
		w.Header().Set("Event-Head", fmt.Sprint(len(s.lines)))
		for i, line := range s.lines {
			fmt.Fprintf(w, "{\"position\":%d,%s\n", i+1, line[1:])
		}
	}
}

// publish keeps a request's events, the third request with the fault.
func (s *store) publish(w http.ResponseWriter, body string) {
	events := strings.Split(strings.Trim(body, "[]"), `},{"id"`)
	for i := range events {
		if i > 0 {
			events[i] = `{"id"` + events[i]
		}
		if i < len(events)-1 {
			events[i] = strings.Replace(events[i]+"}", `"type"`, `"more":true,"type"`, 1)
		}
	}
	first, now := len(s.lines)+1, strings.Contains(body, "r000003")
	if at := slices.Index(s.lines, events[0]); at >= 0 && strings.HasPrefix(s.fault, "unknown") {
		fmt.Fprintf(w, `{"first":%d,"last":%d}`, at+1, at+len(events))
		return
	}
	switch {
	case now && s.fault == "behind":
		s.held = events
		first += len(events)
	case s.held != nil:
		s.lines, s.held = slices.Concat(s.lines, events, s.held), nil
	case now && s.fault == "unknown and kept":
		s.lines = append(s.lines, events...)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case now && s.fault == "unknown and not kept":
		s.fault = "unknown no more"
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case now && s.fault == "lost":
	case now && s.fault == "half":
		s.lines = append(s.lines, events[:1]...)
	case now && s.fault == "twice":
		s.lines = append(append(s.lines, events...), events...)
	case now && s.fault == "changed":
		s.lines = append(s.lines, events[0], strings.Replace(events[1], `"n":1`, `"n":7`, 1))
	case now && s.fault == "refused but kept":
		s.lines = append(s.lines, events...)
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"outcome":"not-stored"}`)
		return
	case now && s.fault == "elsewhere":
		s.lines = append(append([]string{}, events...), s.lines...)
	default:
		s.lines = append(s.lines, events...)
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"first":%d,"last":%d}`, first, first+len(events)-1)
}

// witness is a test that may fail.
type witness struct {
	testing.TB
	failed bool
}

func (w *witness) Errorf(string, ...any) { w.failed = true }
func (w *witness) FailNow()              { w.failed = true; runtime.Goexit() }
func (w *witness) Helper()               {}

func TestTheLedgerFindsEveryFault(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "lost", "half", "twice", "changed", "refused but kept", "elsewhere", "behind", "broken chain"} {
		t.Run("fault: "+fault, func(t *testing.T) {
			t.Parallel()
			http := httptest.NewServer(&store{fault: fault})
			defer http.Close()
			server := &app.Server{URL: http.URL}
			ledger := app.NewLedger("orders", 10)
			for range 4 {
				ledger.Publish(t, server, 2)
			}
			w := &witness{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				ledger.Check(w, server)
			}()
			<-done
			require.Equal(t, fault != "", w.failed)
		})
	}
}

func TestTheLedgerSettlesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]struct{ found, stored int }{"unknown and kept": {1, 0}, "unknown and not kept": {0, 1}} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			http := httptest.NewServer(&store{fault: fault})
			defer http.Close()
			server := &app.Server{URL: http.URL}
			ledger := app.NewLedger("orders", 10)
			for range 4 {
				ledger.Publish(t, server, 2)
			}
			require.Equal(t, app.Tally{Tried: 4, Acknowledged: 3, Unknown: 1}, ledger.Tally())
			found, stored := ledger.Settle(t, server)
			require.Equal(t, want, struct{ found, stored int }{found, stored})
			require.Equal(t, app.Tally{Tried: 4, Acknowledged: 4}, ledger.Tally())
			require.Equal(t, ledger.Acknowledged(), ledger.Check(t, server))
		})
	}
}
