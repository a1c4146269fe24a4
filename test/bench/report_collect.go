package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"eventstore/test/bench/report"
)

// current is the section that is being measured: rows are measured one after the other, in one goroutine.
var current report.Section

// line prints one line of the table, and keeps it for the report. A ratio of 0 is none.
func line(what, measured, against string, ratio float64, promised string) {
	row := report.NewRow(what, measured, against, ratio, promised)
	current.Rows = append(current.Rows, row)
	fmt.Print(row.Markdown())
}

// picture keeps a plot for the report.
func picture(plot report.Plot) { current.Plots = append(current.Plots, plot) }

// record measures one section and adds it to the report's file, where those of other names stay.
func record(o options, name string, measure func() error) error {
	current = report.Section{Name: name, Taken: time.Now().UTC().Truncate(time.Second), Commit: commit(), Options: o.String(), Load: loadAverage()}
	begun := time.Now()
	if err := measure(); err != nil {
		return err
	}
	current.Seconds = time.Since(begun).Round(time.Millisecond).Seconds()
	all, err := report.Read(o.json)
	if err != nil {
		return err
	}
	machine := thisMachine()
	if !all.Machine.Same(machine) {
		all = report.Report{} // what another machine measured is nothing to compare with
	}
	all.Machine = machine
	all.Add(current)
	return all.Write(o.json)
}

// String says how much is measured.
func (o options) String() string {
	return fmt.Sprintf("%d connections, %d rounds of %v", o.connections, o.rounds, o.seconds)
}

// summary prints how many of the promises are met.
func summary(o options) error {
	all, err := report.Read(o.json)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n\nThe report is %s; draw it with `go run ./test/bench/plots`.\n", all.Summary(), o.json)
	return nil
}

// commit is what is measured, with a word if files differ from it.
func commit() string {
	text, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// loadAverage is the machine's of the last minute, 0 where it tells none.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}
