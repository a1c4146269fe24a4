// Command plots draws what the benchmarks found: the pictures of docs/benchmarks, and the tables of docs/benchmarks.md
// between its markers. `make bench` runs it after them; it needs nothing but the report.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"eventstore/test/bench/report"
)

func main() {
	from := flag.String("json", "build/bench.json", "the report")
	into := flag.String("into", "docs/benchmarks.md", "the document; the pictures and the report's copy go into the folder of its name beside it")
	flag.Parse()
	if err := run(*from, *into); err != nil {
		fmt.Fprintln(os.Stderr, "plots:", err)
		os.Exit(1)
	}
}

func run(from, into string) error {
	found, err := report.Read(from)
	if err != nil {
		return err
	}
	if len(found.Sections) == 0 {
		return fmt.Errorf("%s holds no measurements: run `make bench` first", from)
	}
	document, err := os.ReadFile(into)
	if err != nil {
		return err
	}
	folder := into[:len(into)-len(filepath.Ext(into))]
	text, err := report.Splice(string(document), found.Markdown(filepath.Base(folder)))
	if err != nil {
		return fmt.Errorf("%s: %w", into, err)
	}
	if err := redraw(folder, found); err != nil {
		return err
	}
	return os.WriteFile(into, []byte(text), 0o644)
}

// redraw replaces the pictures of the folder, and the copy of the report that they were drawn from.
func redraw(folder string, found report.Report) error {
	old, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	if err != nil {
		return err
	}
	for _, picture := range old {
		if err := os.Remove(picture); err != nil {
			return err
		}
	}
	if err := found.Write(filepath.Join(folder, "bench.json")); err != nil {
		return err
	}
	for _, section := range found.Sections {
		for _, plot := range section.Plots {
			if err := drawTo(folder, plot); err != nil {
				return err
			}
		}
	}
	return nil
}
