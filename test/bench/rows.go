package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// publishRows: one event a request over HTTP, on fs and in memory, against the bare server.
func publishRows(o options, dir string) error {
	candidates := []struct {
		name, store, promised string
		process               *process
		rates                 []float64
	}{
		{name: "bare"},
		{name: "fs with fsync", store: "fs:" + dir, promised: "0.5"},
		{name: "memory", store: "memory:", promised: "0.7"},
	}
	for i := range candidates {
		c := &candidates[i]
		var err error
		if c.store == "" {
			c.process, err = startBare()
		} else if c.process, err = startApp(o, c.store); err == nil {
			err = c.process.createTopic("bench")
		}
		if err != nil {
			return err
		}
		defer c.process.end()
	}
	for round := range o.rounds + 1 { // the first warms up
		for i := range candidates {
			rate, err := load(candidates[i].process.host, post("/topics/bench/events"), http.StatusCreated, o.connections, o.seconds)
			if err != nil {
				return err
			}
			if round > 0 {
				candidates[i].rates = append(candidates[i].rates, rate)
			}
		}
	}
	bare := median(candidates[0].rates)
	for _, c := range candidates[1:] {
		rate := median(c.rates)
		line("publish over HTTP, one event of "+fmt.Sprint(len(event))+" bytes a request, "+c.name,
			fmt.Sprintf("%.0f/s, %d events", rate, int(sum(c.rates)*o.seconds.Seconds())), fmt.Sprintf("bare net/http that decodes: %.0f/s", bare), rate/bare, "≥ "+c.promised)
	}
	return nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// readRow: a whole topic as NDJSON over HTTP, against a file of the same bytes from the bare server.
func readRow(o options, dir string) error {
	app, err := startApp(o, "fs:"+dir)
	if err != nil {
		return err
	}
	defer app.end()
	bare, err := startBare()
	if err != nil {
		return err
	}
	defer bare.end()
	if err := app.createTopic("bench"); err != nil {
		return err
	}
	if err := app.fill("bench", o.stream); err != nil {
		return err
	}
	file, err := concatenated(dir)
	if err != nil {
		return err
	}
	var ours, files []float64
	for round := range o.rounds + 1 {
		our, err := throughput(app.host, "/topics/bench/events", "application/x-ndjson")
		if err != nil {
			return err
		}
		theirs, err := throughput(bare.host, "/file?path="+file, "*/*")
		if err != nil {
			return err
		}
		if round > 0 {
			ours, files = append(ours, our), append(files, theirs)
		}
	}
	line(fmt.Sprintf("read as NDJSON over HTTP, fs, %d events", o.stream), fmt.Sprintf("%.0f MB/s", median(ours)),
		fmt.Sprintf("net/http streams one file: %.0f MB/s", median(files)), median(ours)/median(files), "≥ 0.5, or 500 MB/s")
	return nil
}

// throughput is how many megabytes a second an answer has.
func throughput(host, path, accept string) (float64, error) {
	begun := time.Now()
	length, err := stream(host, path, accept)
	return float64(length) / 1e6 / time.Since(begun).Seconds(), err
}

// concatenated makes one file of a log's segments.
func concatenated(dir string) (string, error) {
	whole, err := os.Create(filepath.Join(dir, "whole"))
	if err != nil {
		return "", err
	}
	defer whole.Close()
	return whole.Name(), filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".ndjson") {
			return err
		}
		segment, err := os.Open(path)
		if err != nil {
			return err
		}
		defer segment.Close()
		_, err = io.Copy(whole, segment)
		return err
	})
}

// openRow: a new process opens a log and reads one event in its middle, for a small and for a large log by turns.
func openRow(o options, dir string) error {
	sizes := [2]int{o.small, o.events}
	var took [2][]time.Duration
	var memory [2][]float64
	store := func(events int) string { return "fs:" + filepath.Join(dir, fmt.Sprint(events)) }
	for _, events := range sizes {
		if err := fillStore(o, store(events), events); err != nil {
			return err
		}
	}
	for round := range 6*o.rounds + 1 { // the first warms up
		for i, events := range sizes {
			one, resident, err := openAndSeek(o, store(events), events/2)
			if err != nil {
				return err
			}
			if round > 0 {
				took[i], memory[i] = append(took[i], one), append(memory[i], resident)
			}
		}
	}
	small, large := milliseconds(median(took[0])), milliseconds(median(took[1]))
	line(fmt.Sprintf("open a log of %d events of %d bytes and read one in its middle, fs", o.events, len(event)),
		fmt.Sprintf("%.2f ms, %.0f MiB resident", large, median(memory[1])),
		fmt.Sprintf("%d events: %.2f ms, %.0f MiB", o.small, small, median(memory[0])), large/small, "≤ 2, ≤ 100 MiB")
	return nil
}

// fillStore makes a log of so many events by a process that then ends in order.
func fillStore(o options, store string, events int) error {
	writer, err := startApp(o, store)
	if err != nil {
		return err
	}
	if err = writer.createTopic("bench"); err == nil {
		err = writer.fill("bench", events)
	}
	return errors.Join(err, writer.interrupt())
}

// openAndSeek is the time of the first read of a new process, and the mebibytes that it then has resident.
func openAndSeek(o options, store string, position int) (took time.Duration, resident float64, err error) {
	reader, err := startApp(o, store)
	if err != nil {
		return 0, 0, err
	}
	defer reader.end()
	begun := time.Now()
	if _, err = stream(reader.host, fmt.Sprintf("/topics/bench/events/%d", position), "application/json"); err != nil {
		return 0, 0, err
	}
	took = time.Since(begun)
	resident, err = reader.mebibytes()
	return took, resident, err
}

// startRow: from the start of the process to its first answer on GET /.
func startRow(o options, dir string) error {
	var ours, bares []time.Duration
	for range 10 * o.rounds {
		app, err := startApp(o, "fs:"+dir)
		if err != nil {
			return err
		}
		app.end()
		bare, err := startBare()
		if err != nil {
			return err
		}
		bare.end()
		ours, bares = append(ours, app.cold), append(bares, bare.cold)
	}
	line("cold start, from exec to the first answer on GET /", fmt.Sprintf("%.1f ms", float64(median(ours).Microseconds())/1000),
		fmt.Sprintf("bare server: %.1f ms", float64(median(bares).Microseconds())/1000), float64(median(ours))/float64(median(bares)), "≤ 50 ms")
	return nil
}
