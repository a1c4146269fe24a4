// Command run injects faults into everything that stores or delivers events, by the tests that do so, and writes what they found
// to faults.json and faults.md in a directory:
//
//	go run ./test/faults/run [-seed N] [-short] [-out build]
//
// With -draw ROWS it runs nothing, and draws the rows that a run of tests has written.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"eventstore/test/faults/report"
	"eventstore/test/servers"
)

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1+rand.Uint64N(1<<32), "the number that all which is random follows from")
	flag.BoolVar(&o.short, "short", false, "the short form, that of make test")
	flag.StringVar(&o.out, "out", "build", "the directory of the report")
	flag.StringVar(&o.draw, "draw", "", "a file of rows to draw instead of running the tests")
	flag.Parse()
	if err := o.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

type options struct {
	seed      uint64
	short     bool
	out, draw string
}

func (o *options) run(to io.Writer) error {
	rows, form, begun := o.draw, "short", time.Now()
	var failed error
	if rows == "" {
		if !o.short {
			form = "long"
		}
		fmt.Fprintf(to, "the %s form, with SEED=%d\n", form, o.seed)
		dir, err := os.MkdirTemp("", "eventstore-faults-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		rows = filepath.Join(dir, "rows")
		failed = o.test(rows)
	}
	table, err := read(rows)
	if err != nil {
		return errors.Join(failed, err)
	}
	table.Form = form
	if o.draw == "" {
		table.Seed, table.Took = o.seed, time.Since(begun)
	}
	if err := o.write(table); err != nil {
		return errors.Join(failed, err)
	}
	fmt.Fprintf(to, "\n%s\n", table.Markdown())
	return errors.Join(failed, table.Green(classes()...))
}

// test runs every part with servers of its own.
func (o *options) test(rows string) error {
	environment, end, err := servers.StartAll()
	if err != nil {
		return err
	}
	environment = append(environment, report.Variable+"="+rows, fmt.Sprintf("%s=%d", report.SeedVariable, o.seed))
	if !o.short {
		environment = append(environment, "EVENTSTORE_TEST_LONG=1")
	}
	var failed error
	for _, p := range parts {
		command := exec.Command("go", "test", "-count=1", "-timeout=120m", "-run="+p.tests, p.folder)
		command.Env = append(os.Environ(), environment...)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		if err := command.Run(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", p.folder, err))
		}
	}
	return errors.Join(failed, end())
}

func read(rows string) (*report.Table, error) {
	file, err := os.Open(rows)
	if err != nil {
		return nil, fmt.Errorf("no test has reported anything: %w", err)
	}
	defer file.Close()
	return report.Read(file)
}

func (o *options) write(table *report.Table) error {
	text, err := json.MarshalIndent(table, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "faults.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, "faults.md"), []byte("# Faults\n\n"+strings.TrimSpace(table.Markdown())+"\n"), 0o644)
}
