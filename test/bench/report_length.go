package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"eventstore/test/bench/report"
)

// lengthRow: whether a topic on fs stays as it is when it grows: what opening it, reading one event in its middle and
// publishing at its end take, from ten thousand events to as many as the large log has.
func lengthRow(o options, dir string) error {
	var opened, memory report.Line
	published := newTails()
	opened.Name, memory.Name = "first read after a start, in the middle", "resident"
	shortest := time.Duration(0)
	for events := o.small; events <= o.events; events *= 10 {
		store := "fs:" + filepath.Join(dir, fmt.Sprint(events))
		if err := fillStore(o, store, events); err != nil {
			return err
		}
		first, resident, of, err := measureLength(o, store, events)
		if err != nil {
			return err
		}
		if shortest == 0 {
			shortest = first
		}
		line(fmt.Sprintf("a topic of %d events, fs", events), fmt.Sprintf("first read after a start, in the middle: %.2f ms, %.0f MiB resident; publishing at its end: %s", milliseconds(first), resident, of),
			fmt.Sprintf("first read of %d events: %.2f ms", o.small, milliseconds(shortest)), ratio(first, shortest), "≤ 2, ≤ 100 MiB")
		x := float64(events)
		opened.Points, memory.Points = append(opened.Points, report.Point{x, milliseconds(first)}), append(memory.Points, report.Point{x, resident})
		published.add(x, of)
	}
	for i := range published {
		published[i].Name = "publish, " + published[i].Name
	}
	length := report.Axis{Label: "events of the topic", Logarithmic: true}
	picture(report.Plot{Name: "length-latency", Title: "As a topic grows, fs", X: length, Y: report.Axis{Label: "milliseconds", Logarithmic: true}, Lines: append([]report.Line{opened}, published[:]...)})
	picture(report.Plot{Name: "length-memory", Title: "Memory after the first read, as a topic grows, fs", X: length, Y: report.Axis{Label: "MiB resident"}, Lines: []report.Line{memory}})
	return nil
}

// measureLength has new processes open a log, and one publish to it.
func measureLength(o options, store string, events int) (first time.Duration, resident float64, publishes tail, err error) {
	var took []time.Duration
	var memory []float64
	for range 2*o.rounds + 1 {
		one, mebibytes, err := openAndSeek(o, store, events/2)
		if err != nil {
			return 0, 0, tail{}, err
		}
		took, memory = append(took, one), append(memory, mebibytes)
	}
	app, err := startApp(o, store)
	if err != nil {
		return 0, 0, tail{}, err
	}
	defer app.end()
	client, all := &http.Client{}, make([]time.Duration, o.samples)
	defer client.CloseIdleConnections()
	for i := range warmUp + o.samples {
		one, err := app.publishOnce(client, "bench", event)
		if err != nil {
			return 0, 0, tail{}, err
		}
		all[max(0, i-warmUp)] = one
	}
	return median(took), median(memory), tailOf(all), nil
}
