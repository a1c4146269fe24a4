// Command bench measures what the design promises and prints it as ratios: whatever is compared is
// measured in the same run, by turns, on the same machine. `make bench` runs it.
//
// The load comes from this program over 64 kept connections, with requests that were written beforehand and
// answers of which only the status and the length are read, so that the client takes as little as it can of the
// processors that it shares with the server. The servers are processes of their own.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"eventstore/test/bench/report"
)

// options say how much is measured.
type options struct {
	app         string        // the handler's binary
	seconds     time.Duration // of each measurement of a rate
	rounds      int           // how often what is compared takes turns
	connections int
	events      int // of the large log, or of the scale report's long topic
	small       int // of the small one
	stream      int // events of the log that is read as NDJSON
	rows        string
	long        bool
	json        string // the report's file
	scale       bool
	adapters    string // of the scale report
	payloads    int    // events of its topic of real payloads
	samples     int    // publishes whose times it takes

	subscriptions int // of one topic
	delivered     int // events of that topic
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "bare" {
		fail(serveBare(os.Args[2]))
	}
	var o options
	flag.DurationVar(&o.seconds, "time", 2*time.Second, "how long each rate is measured, each time")
	flag.IntVar(&o.rounds, "rounds", 3, "how often the candidates take turns; the medians count")
	flag.IntVar(&o.connections, "connections", 64, "connections of the load")
	flag.IntVar(&o.events, "events", 1_000_000, "events of the large log, and of the scale report's topic")
	flag.IntVar(&o.small, "small", 10_000, "events of the small log")
	flag.IntVar(&o.stream, "stream", 300_000, "events of the log that is read as NDJSON")
	flag.StringVar(&o.rows, "rows", usual, "which rows to measure, or all: those of a -long run but for the soak; others are "+others)
	flag.BoolVar(&o.long, "long", false, "measure all rows, with a large log of 10,000,000 events unless -events says otherwise; about an hour")
	flag.StringVar(&o.json, "json", "build/bench.json", "the report: its sections of the rows that are measured are replaced")
	flag.BoolVar(&o.scale, "scale", false, "report on long topics instead: publishing, opening and memory on every adapter")
	flag.StringVar(&o.adapters, "adapters", "memory,fs,blob,postgres", "which adapters the scale report covers")
	flag.IntVar(&o.payloads, "payloads", 20_000, "events of the scale report's topic of real payloads")
	flag.IntVar(&o.samples, "samples", 1000, "publishes whose times the scale report takes, each time")
	flag.IntVar(&o.subscriptions, "subscriptions", 1000, "subscriptions of one topic")
	flag.IntVar(&o.delivered, "delivered", 100_000, "events of the topic that has subscriptions")
	flag.Parse()
	fail(run(o.lengthened()))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(o options) error {
	if err := known(o.rows); err != nil {
		return err
	}
	if o.rounds < 1 || o.seconds < time.Second || o.connections < 1 {
		return fmt.Errorf("-rounds %d, -time %v, -connections %d: there must be one round of a second with a connection at least", o.rounds, o.seconds, o.connections)
	}
	dir, err := os.MkdirTemp("", "eventstore-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.app = filepath.Join(dir, "handler")
	build := exec.Command("go", "build", "-trimpath", "-o", o.app, "./handler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the handler: %w", err)
	}
	if o.scale {
		return scale(o, dir)
	}
	fmt.Printf("%s, %d processors, %d connections, %d rounds of %v; medians\n\n", runtime.Version(), runtime.NumCPU(), o.connections, o.rounds, o.seconds)
	fmt.Print(report.Head)
	if err := each(o, dir, rows); err != nil {
		return err
	}
	return summary(o)
}

// row measures one or more lines of the table, in a directory of its own, and prints them.
type row struct {
	name    string
	measure func(o options, dir string) error
}

func each(o options, dir string, rows []row) error {
	for _, row := range rows {
		if !contains(o.rows, row.name) {
			continue
		}
		own := filepath.Join(dir, row.name)
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		if err := record(o, row.name, func() error { return row.measure(o, own) }); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		if err := os.RemoveAll(own); err != nil {
			return err
		}
	}
	return nil
}
