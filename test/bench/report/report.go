// Package report is what the benchmarks found: a JSON file that runs add to, and the tables that are made of it.
package report

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Report is what was found on one machine. Its sections may be of different runs; each says when it was measured.
type Report struct {
	Machine  Machine   `json:"machine"`
	Sections []Section `json:"sections"`
}

// Machine is what was measured on.
type Machine struct {
	Processor  string            `json:"processor"`
	Processors int               `json:"processors"`
	MemoryGiB  float64           `json:"memoryGiB"`
	OS         string            `json:"os"`
	FileSystem string            `json:"fileSystem"` // that the fs topics were on
	Versions   map[string]string `json:"versions"`   // of Go, PostgreSQL, Node.js …
}

// Section is what one row of the benchmarks measured, all of it in one run.
type Section struct {
	Name    string    `json:"name"`
	Taken   time.Time `json:"taken"`
	Seconds float64   `json:"seconds"` // that it took
	Commit  string    `json:"commit"`
	Options string    `json:"options"` // how much was measured
	Load    float64   `json:"load"`    // the machine's load average of the last minute before it: on a quiet machine, below 1
	Rows    []Row     `json:"rows"`
	Plots   []Plot    `json:"plots,omitempty"`
}

// Row is one line of the table: what was measured, what beside it in the same run, and what the design promises.
type Row struct {
	What     string  `json:"what"`
	Measured string  `json:"measured"`
	Against  string  `json:"against"`
	Ratio    float64 `json:"ratio"`
	Promised string  `json:"promised"`
	Verdict  Verdict `json:"verdict"`
}

// Plot is what a picture is drawn from.
type Plot struct {
	Name  string `json:"name"` // of its file
	Title string `json:"title"`
	X     Axis   `json:"x"`
	Y     Axis   `json:"y"`
	Lines []Line `json:"lines"`
}

// Axis says what a plot's numbers are.
type Axis struct {
	Label       string `json:"label"` // with the unit
	Logarithmic bool   `json:"logarithmic,omitempty"`
}

// Line is one series of a plot.
type Line struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point is x and y.
type Point [2]float64

// NewRow is a row with its verdict. A ratio that is no number, of nothing to nothing, counts as 0.
func NewRow(what, measured, against string, ratio float64, promised string) Row {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		ratio = 0
	}
	r := Row{What: what, Measured: measured, Against: against, Ratio: ratio, Promised: promised}
	r.Verdict = judge(r)
	return r
}

// Read reads a report; one that is not there is an empty one.
func Read(path string) (r Report, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r, json.RejectUnknownMembers(true)); err != nil {
		return r, fmt.Errorf("%s is not a report of the benchmarks, remove it to begin afresh: %w", path, err)
	}
	return r, nil
}

// Write replaces the file at path by the report.
func (r Report) Write(path string) error {
	text, err := json.Marshal(r, jsontext.WithIndent("\t"), json.Deterministic(true))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	beside := path + ".new"
	if err := os.WriteFile(beside, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, path)
}

// Add puts a section in the place of the one of its name, or at the end.
func (r *Report) Add(s Section) {
	if i := slices.IndexFunc(r.Sections, func(old Section) bool { return old.Name == s.Name }); i >= 0 {
		r.Sections[i] = s
		return
	}
	r.Sections = append(r.Sections, s)
}

// Same reports whether two machines are one kind, so that their figures may stand in one report. Versions may differ.
func (m Machine) Same(other Machine) bool {
	return m.Processor == other.Processor && m.Processors == other.Processors && m.OS == other.OS
}
