package app

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tally is what became of a ledger's requests.
type Tally struct {
	Tried, Acknowledged int
	Refused             int // the answer said that nothing was stored
	Unknown             int // the answer left it open, or there was none
}

// Tally counts the requests by what is known of them.
func (l *Ledger) Tally() (tally Tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.requests {
		tally.Tried++
		switch {
		case e.first > 0:
			tally.Acknowledged++
		case e.refused:
			tally.Refused++
		default:
			tally.Unknown++
		}
	}
	return tally
}

// Settle repeats every request whose outcome is unknown, with its ids, and returns how many of them had been
// stored, which the answer tells by calling all of it a duplicate, and how many are stored now. Whatever else is
// answered fails the test. Nobody may publish meanwhile.
func (l *Ledger) Settle(t testing.TB, server *Server) (found, stored int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	unknown := 0
	for name, e := range l.requests {
		if e.first > 0 || e.refused {
			continue
		}
		unknown++
		answer := server.Do(t, "POST", "/topics/"+l.Topic+"/events", e.body(name), "Content-Type", "application/json")
		require.Contains(t, []int{http.StatusOK, http.StatusCreated}, answer.Status, "%s was answered with %s", name, answer.Body)
		var result struct{ First, Last int64 }
		answer.JSON(t, &result)
		require.Equal(t, int64(e.events), result.Last-result.First+1, answer.Body)
		e.first = result.First
		if answer.Status == http.StatusOK {
			found++
		} else {
			stored++
		}
	}
	l.Row.Resolve(unknown, found+stored)
	return found, stored
}
