package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/bench/report"
)

func TestNumbersAreWrittenAsPeopleDo(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{0: "0", 0.1: "0.1", 0.30000000000000004: "0.3", 12: "12", 999: "999", 1000: "1,000", 10_000_000: "10,000,000", 1234.5: "1,234.5", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, written(value))
	}
}

func TestADocumentAndItsPicturesAreRedrawn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	document, from := filepath.Join(dir, "benchmarks.md"), filepath.Join(dir, "bench.json")
	require.NoError(t, os.WriteFile(document, []byte("# Before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n"), 0o644))
	require.ErrorContains(t, run(from, document), "run `make bench` first")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "benchmarks"), 0o755))
	old := filepath.Join(dir, "benchmarks", "old.svg")
	require.NoError(t, os.WriteFile(old, nil, 0o644))
	plots := []report.Plot{
		{Name: "linear", Title: "Linear", X: report.Axis{Label: "seconds"}, Y: report.Axis{Label: "MiB"}, Lines: []report.Line{{Name: "resident", Points: []report.Point{{0, 0}, {1, 30.5}}}, {Name: "none"}}},
		{Name: "logarithmic", Title: "Logarithmic", X: report.Axis{Label: "events", Logarithmic: true}, Y: report.Axis{Label: "ms", Logarithmic: true}, Lines: []report.Line{{Name: "p50", Points: []report.Point{{0, 0}, {10_000, 0.5}, {10_000_000, 2}}}}},
		{Name: "nothing", Title: "Nothing was measured", X: report.Axis{Label: "events", Logarithmic: true}, Y: report.Axis{Label: "ms", Logarithmic: true}},
		{Name: "one", Title: "One point", X: report.Axis{Label: "events", Logarithmic: true}, Y: report.Axis{Label: "ms", Logarithmic: true}, Lines: []report.Line{{Name: "p50", Points: []report.Point{{1, 1}}}}},
	}
	require.NoError(t, report.Report{Sections: []report.Section{{Name: "some", Plots: plots}}}.Write(from))
	require.NoError(t, run(from, document))
	require.NoFileExists(t, old)
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Contains(t, string(text), "![Linear](benchmarks/linear.svg)")
	require.NotContains(t, string(text), "old")
	for _, plot := range plots {
		drawn, err := os.ReadFile(filepath.Join(dir, "benchmarks", plot.Name+".svg"))
		require.NoError(t, err)
		require.Contains(t, string(drawn), plot.Title)
		require.Contains(t, string(drawn), plot.Y.Label)
		require.Contains(t, string(drawn), "sans-serif")
	}
	require.FileExists(t, filepath.Join(dir, "benchmarks", "bench.json"))
}
