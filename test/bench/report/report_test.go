package report_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/bench/report"
)

func TestAPromiseIsJudgedByItsWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, measured string
		ratio          float64
		promised       string
		want           report.Verdict
	}{
		{"a ratio that is enough", "10/s", 0.5, "≥ 0.5", report.Met},
		{"a ratio that is not", "10/s", 0.49, "≥ 0.5", report.Missed},
		{"a ratio that may not be more", "10 ms", 2.01, "≤ 2", report.Missed},
		{"a figure with its unit", "48.5 ms", 5, "≤ 50 ms", report.Met},
		{"a figure that is too large", "50.1 ms", 0.1, "≤ 50 ms", report.Missed},
		{"thousands with commas, and a word before the unit", "299999 events/s, 3.2 µs of a processor an event", 1, "≥ 300,000/s", report.Missed},
		{"thousands that are enough", "300000 events/s, 3.2 µs of a processor an event", 0.1, "≥ 300,000/s", report.Met},
		{"of two both must hold: the second does not", "1.2 ms, 101 MiB resident", 1.5, "≤ 2, ≤ 100 MiB", report.Missed},
		{"of two both must hold: the first does not", "1.2 ms, 10 MiB resident", 2.5, "≤ 2, ≤ 100 MiB", report.Missed},
		{"of two both hold", "1.2 ms, 99 MiB resident", 1.5, "≤ 2, ≤ 100 MiB", report.Met},
		{"one or the other: the first", "90 MB/s", 0.6, "≥ 0.5, or 500 MB/s", report.Met},
		{"one or the other: the second", "501 MB/s", 0.4, "≥ 0.5, or 500 MB/s", report.Met},
		{"neither", "499 MB/s", 0.4, "≥ 0.5, or 500 MB/s", report.Missed},
		{"a unit that was not measured", "nothing", 1, "≤ 50 ms", report.Missed},
		{"nothing is promised", "10/s", 1, "–", report.NoneMade},
		{"words", "10/s", 1, "never stale", report.NoneMade},
		{"a figure that says not from which side", "10/s", 0.9, "1", report.NoneMade},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, report.NewRow("x", tt.measured, "y", tt.ratio, tt.promised).Verdict)
		})
	}
}

func TestAReportIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "build", "bench.json")
	empty, err := report.Read(path)
	require.NoError(t, err, "one that is not there is empty")
	require.Empty(t, empty)
	r := some()
	require.NoError(t, r.Write(path))
	read, err := report.Read(path)
	require.NoError(t, err)
	require.Equal(t, r, read)
	require.NoError(t, os.WriteFile(path, []byte(`{"machines":[]}`), 0o644))
	_, err = report.Read(path)
	require.ErrorContains(t, err, "is not a report of the benchmarks")
}

func TestASectionTakesThePlaceOfTheOneOfItsName(t *testing.T) {
	t.Parallel()
	var r report.Report
	r.Add(report.Section{Name: "publish", Commit: "a"})
	r.Add(report.Section{Name: "read", Commit: "a"})
	r.Add(report.Section{Name: "publish", Commit: "b"})
	require.Equal(t, []report.Section{{Name: "publish", Commit: "b"}, {Name: "read", Commit: "a"}}, r.Sections)
}

func TestARatioThatIsNoNumberIsNone(t *testing.T) {
	t.Parallel()
	for _, ratio := range []float64{math.NaN(), math.Inf(1)} {
		require.Zero(t, report.NewRow("x", "y", "z", ratio, "–").Ratio)
	}
}

func TestTheDocumentHasTheReportBetweenItsMarkers(t *testing.T) {
	t.Parallel()
	text := some().Markdown("benchmarks")
	require.Contains(t, text, "2 × Some processor, 8 GiB of memory, Debian, files on ext4, Go 1.26, PostgreSQL 17.")
	require.Contains(t, text, "1 of 2 promised figures are met.\n- missed: a start \\ of | pipes (60.0 ms, ratio 2.00, promised ≤ 50 ms)")
	require.Contains(t, text, "| publish | 10/s | bare: 15/s | 0.67 | ≥ 0.5 | met |\n")
	require.Contains(t, text, `| a start \ of \| pipes | 60.0 ms | bare | 2.00 | ≤ 50 ms | **missed** |`)
	require.Contains(t, text, "| soak | flat | – | – | – |  |\n", "a ratio of 0 is none")
	require.Contains(t, text, "2026-11-23 03:00 UTC, commit abc1234, 64 connections; took 12 s. **The machine was not quiet: its load average was 9.5 before.**")
	require.Contains(t, text, "![Rate](benchmarks/rate.svg)")

	document := "# Benchmarks\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n"
	spliced, err := report.Splice(document, "new")
	require.NoError(t, err)
	require.Equal(t, "# Benchmarks\n<!-- measured: begin -->\n\nnew\n<!-- measured: end -->\nafter\n", spliced)
	again, err := report.Splice(spliced, "new")
	require.NoError(t, err)
	require.Equal(t, spliced, again)
	_, err = report.Splice("# Benchmarks\n", "new")
	require.ErrorContains(t, err, "lacks the markers")
}

func some() report.Report {
	return report.Report{
		Machine: report.Machine{Processor: "Some processor", Processors: 2, MemoryGiB: 8, OS: "Debian", FileSystem: "ext4", Versions: map[string]string{"PostgreSQL": "17", "Go": "1.26"}},
		Sections: []report.Section{{
			Name: "publish", Taken: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC), Seconds: 12.25, Commit: "abc1234", Options: "64 connections", Load: 9.5,
			Rows: []report.Row{
				report.NewRow("publish", "10/s", "bare: 15/s", 2.0/3, "≥ 0.5"),
				report.NewRow(`a start \ of | pipes`, "60.0 ms", "bare", 2, "≤ 50 ms"),
				report.NewRow("soak", "flat", "–", 0, "–"),
			},
			Plots: []report.Plot{{Name: "rate", Title: "Rate", X: report.Axis{Label: "connections", Logarithmic: true}, Y: report.Axis{Label: "events/s"},
				Lines: []report.Line{{Name: "fs", Points: []report.Point{{1, 2}, {4, 8}}}}}},
		}},
	}
}
