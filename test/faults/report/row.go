// Package report gathers what tests that inject faults have found, in one table. A test begins a [Row], counts in it, and
// the row is written when the test ends, to the file that the environment names.
package report

import (
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"
)

// Variable names the environment variable that says to which file rows are appended, one a line. Without it a test
// logs its row.
const Variable = "EVENTSTORE_FAULTS"

// Row is what one class of faults did on one adapter. Its methods may be called from many goroutines; a nil Row
// counts nothing.
type Row struct {
	Class   string `json:"class"`
	Adapter string `json:"adapter"`
	Test    string `json:"test,omitempty"`
	Failed  bool   `json:"failed,omitempty"`

	Injected     int `json:"injected"`
	Acknowledged int `json:"acknowledged"` // events
	Lost         int `json:"lost"`
	Duplicated   int `json:"duplicated"`
	Reordered    int `json:"reordered"`
	Unknown      int `json:"unknown"`  // requests whose outcome was not told
	Resolved     int `json:"resolved"` // of them, those that were found out about
	Unrecovered  int `json:"unrecovered"`

	// Recoveries are how long it took from each fault, or the start after it, until the store went on by itself.
	Recoveries []time.Duration `json:"recoveries,omitempty"`
	// Figures are further counts of this class, such as its histories and operations.
	Figures map[string]int `json:"figures,omitempty"`

	mu sync.Mutex
}

// Begin starts a row, which is written when the test has ended: as failed, if it has failed.
func Begin(t testing.TB, class, adapter string) *Row {
	t.Helper()
	seed() // read from the environment, so that a result with another seed is not taken from go test's cache, without its row
	r := &Row{Class: class, Adapter: adapter, Test: t.Name(), Figures: map[string]int{}}
	t.Cleanup(func() {
		r.Failed = t.Failed()
		if err := r.write(t); err != nil {
			t.Errorf("writing the row of %s: %v", class, err)
		}
	})
	return r
}

func (r *Row) write(t testing.TB) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := os.Getenv(Variable)
	if path == "" {
		t.Logf("%s", line)
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(append(line, '\n')); err != nil { // one write: rows of other processes do not mix with it
		file.Close()
		return err
	}
	return file.Close()
}

// change makes a change under the row's lock.
func (r *Row) change(by func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	by()
}

// Inject counts faults.
func (r *Row) Inject(faults int) { r.change(func() { r.Injected += faults }) }

// Acknowledge counts events that were acknowledged.
func (r *Row) Acknowledge(events int) { r.change(func() { r.Acknowledged += events }) }

// Resolve counts requests whose outcome was unknown, and those of them that were found out about.
func (r *Row) Resolve(unknown, resolved int) {
	r.change(func() { r.Unknown += unknown; r.Resolved += resolved })
}

// Count adds to a figure of the class's own.
func (r *Row) Count(figure string, by int) { r.change(func() { r.Figures[figure] += by }) }

// Judge sets what the whole of a topic was found to be: it is called again with what was found later.
func (r *Row) Judge(acknowledged, lost, duplicated, reordered int) {
	r.change(func() {
		r.Acknowledged, r.Lost, r.Duplicated, r.Reordered = acknowledged, lost, duplicated, reordered
	})
}

// Recover runs what has to succeed by itself after a fault, and keeps how long it took. Where it ends the test instead,
// the fault counts as one that needed a hand.
func (r *Row) Recover(goOn func()) {
	begun, recovered := time.Now(), false
	defer func() {
		took := time.Since(begun)
		r.change(func() {
			if !recovered {
				r.Unrecovered++
				return
			}
			r.Recoveries = append(r.Recoveries, took)
		})
	}()
	goOn()
	recovered = true
}
