package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"eventstore/test/bench/report"
)

const (
	// soakRate is how many events a second are published: ten million in an hour.
	soakRate = 2800
	// soakBatch is how many of them are one request.
	soakBatch = 10
	// soakPublishers share the rate, each of which awaits its answers.
	soakPublishers = 4
	// settled is how long a run must be for its quarters to tell a leak from a start.
	settled = 10 * time.Minute
	// soakSubjects are as many as the projection has documents; one of them is delivered.
	soakSubjects = 1000
)

// soakRow: one process under a mixed load for as long as -time says: it publishes at a fixed rate, reads, rebuilds and
// delivers, and its resident memory is taken each second. It is to be flat: no more in the last quarter than in the second.
func soakRow(o options, dir string) error {
	receiver, err := newCallbacks()
	if err != nil {
		return err
	}
	defer receiver.server.Close()
	app, err := startApp(o, "fs:"+dir, "EVENTSTORE_CALLBACKS=any")
	if err != nil {
		return err
	}
	defer app.end()
	err = errors.Join(app.createTopic("bench"), app.put("amounts", "bench", amountSource),
		app.subscribe(receiver.url, "order-1", 1))
	if err != nil {
		return err
	}
	load := newMixed(app, o.seconds)
	memory, events, err := load.watch()
	if err := errors.Join(err, load.wait()); err != nil {
		return err
	}
	published, err := app.headOf("bench")
	if err != nil {
		return err
	}
	wanted := int64(published / soakSubjects) // those of one subject; the last may be under way
	if err := receiver.await(wanted); err != nil {
		return err
	}
	tellSoak(o, load, memory, events, published, receiver.delivered.Load())
	return nil
}

func tellSoak(o options, load *mixed, memory, events report.Line, published int, delivered int64) {
	early, late, most := level(memory.Points, 0.25, 0.5), level(memory.Points, 0.75, 1), level(memory.Points, 0, 0)
	promised := "≤ 1.25"
	if o.seconds < settled {
		promised = "–"
	}
	line(fmt.Sprintf("resident memory of one process over %v of mixed load, fs", o.seconds),
		fmt.Sprintf("median of the last quarter: %.0f MiB; the most at any time: %.0f MiB; %d events published (%.0f/s), %d pages read, %d rebuilds, %d delivered", late, most,
			published, float64(published)/o.seconds.Seconds(), load.done["read"], load.done["rebuild"], delivered),
		fmt.Sprintf("median of the second quarter: %.0f MiB", early), late/early, promised)
	seconds := report.Axis{Label: "seconds"}
	picture(report.Plot{Name: "soak-memory", Title: "Memory of one process under a mixed load", X: seconds, Y: report.Axis{Label: "MiB resident"}, Lines: []report.Line{memory}})
	picture(report.Plot{Name: "soak-events", Title: "Events published meanwhile", X: seconds, Y: report.Axis{Label: "thousands of events"}, Lines: []report.Line{events}})
}

// mixed is the load: each kind of work goes on beside the others until the time is over, or one fails.
type mixed struct {
	app      *process
	duration time.Duration
	begun    time.Time
	working  sync.WaitGroup
	numbered atomic.Int64 // events that were given a subject

	mu      sync.Mutex
	failure error          // guarded by mu
	done    map[string]int // guarded by mu while it works
}

func newMixed(app *process, duration time.Duration) *mixed {
	m := &mixed{app: app, duration: duration, begun: time.Now(), done: map[string]int{}}
	for range soakPublishers {
		m.repeat("publish", time.Second*soakBatch*soakPublishers/soakRate, m.publish)
	}
	m.repeat("read", 50*time.Millisecond, m.read)
	m.repeat("rebuild", 30*time.Second, func() error { return app.do("POST", "/projections/amounts/rebuild", "") })
	return m
}

// repeat does one kind of work at even times; what is behind catches up.
func (m *mixed) repeat(kind string, every time.Duration, do func() error) {
	m.working.Go(func() {
		for due := m.begun; time.Since(m.begun) < m.duration && !m.failed(); due = due.Add(every) {
			if time.Sleep(min(time.Until(due), m.duration-time.Since(m.begun))); time.Since(m.begun) >= m.duration {
				return
			}
			err := do()
			m.mu.Lock()
			if m.done[kind]++; err != nil {
				m.failure = errors.Join(m.failure, fmt.Errorf("%s: %w", kind, err))
			}
			m.mu.Unlock()
		}
	})
}

func (m *mixed) failed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failure != nil
}

// wait waits for the end of all.
func (m *mixed) wait() error {
	m.working.Wait()
	return m.failure
}

// publish publishes one request of events, whose subjects go round.
func (m *mixed) publish() error {
	first := int(m.numbered.Add(soakBatch)) - soakBatch
	events := make([]string, soakBatch)
	for i := range events {
		events[i] = strings.Replace(event, "order-4711", fmt.Sprint("order-", (first+i)%soakSubjects), 1)
	}
	return m.app.post("/topics/bench/events", "application/json", strings.NewReader("["+strings.Join(events, ",")+"]"))
}

// read reads a page from anywhere, a subject's last events, or a document.
func (m *mixed) read() error {
	head, err := m.app.headOf("bench")
	if err != nil || head < soakBatch*soakPublishers {
		return err
	}
	path := fmt.Sprintf("/topics/bench/events?from=%d&limit=500", 1+rand.IntN(head))
	switch rand.IntN(3) {
	case 0:
		path = fmt.Sprintf("/topics/bench/events?subject=order-%d&direction=backward&limit=20", rand.IntN(soakSubjects))
	case 1:
		path = fmt.Sprintf("/projections/amounts/documents?key=order-0&at-least=%d&wait=60", max(soakBatch*soakPublishers, head-soakRate))
	}
	_, err = text(m.app.host, path)
	return err
}

// watch samples the process each second until the time is over or the load fails.
func (m *mixed) watch() (memory, events report.Line, err error) {
	memory.Name, events.Name = "resident", "published"
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for time.Since(m.begun) < m.duration && !m.failed() {
		<-beat.C
		resident, err := m.app.mebibytes()
		if err != nil {
			return memory, events, err
		}
		at := time.Since(m.begun).Round(time.Millisecond).Seconds()
		m.mu.Lock()
		published := m.done["publish"] * soakBatch
		m.mu.Unlock()
		memory.Points = append(memory.Points, report.Point{at, resident})
		events.Points = append(events.Points, report.Point{at, float64(published) / 1000})
	}
	return memory, events, nil
}

// level is the median of a part of a series, as fractions of its length; from 0 to 0 it is the greatest of all.
func level(points []report.Point, from, to float64) float64 {
	values := make([]float64, len(points))
	for i, point := range points {
		values[i] = point[1]
	}
	if to == 0 {
		return slices.Max(values)
	}
	return median(values[int(from*float64(len(values))):max(1, int(to*float64(len(values))))])
}
