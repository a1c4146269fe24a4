package main

import (
	"fmt"
	"path/filepath"

	"eventstore/test/bench/report"
)

// connectionCounts are how many publishers there are at once, each of whom awaits its answer.
var connectionCounts = []int{1, 4, 16, 64, 256}

// connectionRows: how many events a second are published, and how long each takes, by the number of connections, on
// every storage.
func connectionRows(o options, dir string, s *realServers) error {
	rates := report.Plot{Name: "publish-rate", Title: "Publishing one event a request, by connections",
		X: report.Axis{Label: "connections, each of which awaits its answer", Logarithmic: true}, Y: report.Axis{Label: "events a second", Logarithmic: true}}
	var latencies []report.Plot
	for _, adapter := range adapters {
		rate, took, err := connectionRow(o, adapter, starter(o, s, adapter, filepath.Join(dir, "connections")))
		if err != nil {
			return fmt.Errorf("%s: %w", adapter, err)
		}
		rates.Lines = append(rates.Lines, rate)
		latencies = append(latencies, report.Plot{Name: "publish-latency-" + adapter, Title: "How long a publish takes, " + adapter, X: rates.X,
			Y: report.Axis{Label: "milliseconds", Logarithmic: true}, Lines: took[:]})
	}
	picture(rates)
	for _, plot := range latencies {
		picture(plot)
	}
	return nil
}

var adapters = []string{"memory", "fs", "blob", "postgres"}

func connectionRow(o options, adapter string, start func() (*process, error)) (rates report.Line, took tails, err error) {
	app, err := start()
	if err != nil {
		return rates, took, err
	}
	defer app.end()
	if err := app.createTopic("bench"); err != nil {
		return rates, took, err
	}
	rates, took = report.Line{Name: adapter}, newTails()
	one := 0.0
	for _, connections := range connectionCounts {
		if _, err := latencies(app.host, post("/topics/bench/events"), connections, o.seconds/4); err != nil { // warms up
			return rates, took, err
		}
		all, err := latencies(app.host, post("/topics/bench/events"), connections, o.seconds)
		if err != nil {
			return rates, took, err
		}
		rate, of := float64(len(all))/o.seconds.Seconds(), tailOf(all)
		if connections == 1 {
			one = rate
		}
		line(fmt.Sprintf("publish over HTTP, one event a request, %s, %d connections", adapter, connections), fmt.Sprintf("%.0f/s; %s", rate, of),
			fmt.Sprintf("one connection: %.0f/s", one), rate/one, "–")
		rates.Points = append(rates.Points, report.Point{float64(connections), rate})
		took.add(float64(connections), of)
	}
	return rates, took, nil
}
