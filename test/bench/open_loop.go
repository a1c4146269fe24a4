package main

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"eventstore/test/bench/report"
)

// fractions are of the rate that a storage reached when its publishers awaited their answers.
var fractions = []float64{0.1, 0.25, 0.5, 0.75, 0.9}

// openLoopRows: how long a publish takes at a fixed rate, from the time when it should have been sent: a publisher that
// awaits its answer asks less of a server that is slow, and so would not see how long others wait (coordinated omission).
func openLoopRows(o options, dir string, s *realServers) error {
	var plots []report.Plot
	for _, adapter := range adapters {
		took, err := openLoopRow(o, adapter, starter(o, s, adapter, filepath.Join(dir, "open-loop")))
		if err != nil {
			return fmt.Errorf("%s: %w", adapter, err)
		}
		plots = append(plots, report.Plot{Name: "open-loop-" + adapter, Title: "How long a publish takes at a fixed rate, " + adapter,
			X: report.Axis{Label: "events a second, sent whether or not those before were answered"}, Y: report.Axis{Label: "milliseconds", Logarithmic: true}, Lines: took[:]})
	}
	for _, plot := range plots {
		picture(plot)
	}
	return nil
}

func openLoopRow(o options, adapter string, start func() (*process, error)) (took tails, err error) {
	app, err := start()
	if err != nil {
		return took, err
	}
	defer app.end()
	if err := app.createTopic("bench"); err != nil {
		return took, err
	}
	capacity := 0.0
	for range 2 { // the first warms up
		if capacity, err = load(app.host, post("/topics/bench/events"), http.StatusCreated, o.connections, o.seconds); err != nil {
			return took, err
		}
	}
	took = newTails()
	for _, fraction := range fractions {
		begun, used := time.Now(), processorTime()
		found, err := openLoop(app.host, max(1, int(capacity*fraction)), o.seconds)
		if err != nil {
			return took, err
		}
		busy := (processorTime() - used).Seconds() / time.Since(begun).Seconds()
		line(fmt.Sprintf("publish over HTTP at a fixed rate, %s, %.0f %% of the capacity", adapter, fraction*100),
			fmt.Sprintf("%.0f/s due, %.0f/s answered; %s; the sender took %.1f of the processors", found.due, found.answered, found.tail, busy),
			fmt.Sprintf("%d connections that await their answers: %.0f/s", o.connections, capacity), found.due/capacity, "–")
		took.add(found.due, found.tail)
	}
	return took, nil
}

// paced is what was found at one rate.
type paced struct {
	due, answered float64 // a second
	tail          tail
}

// openLoop sends so many publishes a second at even times, whatever becomes of those before, and times each from when
// it was due.
func openLoop(host string, perSecond int, duration time.Duration) (paced, error) {
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodPost, URL: "http://" + host + "/topics/bench/events",
		Body: []byte(event), Header: http.Header{"Content-Type": {"application/json"}}})
	attacker := vegeta.NewAttacker(vegeta.Connections(maxInFlight), vegeta.MaxConnections(maxInFlight), vegeta.MaxWorkers(maxInFlight), vegeta.Timeout(time.Minute))
	defer attacker.Stop()
	var shots []shot
	var failure error
	for result := range attacker.Attack(target, vegeta.Rate{Freq: perSecond, Per: time.Second}, duration, "publish") {
		if result.Code != http.StatusCreated {
			failure = fmt.Errorf("a publish was answered with %d: %s %s", result.Code, result.Error, result.Body)
		}
		shots = append(shots, shot{result.Seq, result.Timestamp, result.Latency})
	}
	if failure == nil && len(shots) == 0 {
		failure = errors.New("nothing was sent")
	}
	if failure != nil {
		return paced{}, failure
	}
	return paceOf(shots, perSecond), nil
}

// maxInFlight bounds the connections of a pace that the server does not hold; what then waits for a connection is late.
const maxInFlight = 1024

// shot is one request of a pace.
type shot struct {
	number uint64 // from 0
	sent   time.Time
	took   time.Duration
}

// paceOf times each request from when it was due: the n-th is due n intervals after the first was sent.
func paceOf(shots []shot, perSecond int) paced {
	first := slices.MinFunc(shots, func(a, b shot) int { return a.sent.Compare(b.sent) }).sent
	took, last := make([]time.Duration, len(shots)), time.Duration(0)
	for i, s := range shots {
		due := first.Add(time.Duration(float64(s.number) / float64(perSecond) * float64(time.Second)))
		took[i] = s.took + max(0, s.sent.Sub(due))
		last = max(last, s.sent.Add(s.took).Sub(first))
	}
	return paced{float64(perSecond), float64(len(shots)) / last.Seconds(), tailOf(took)}
}
