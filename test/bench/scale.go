package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"
)

// scale measures whether topics stay as they are when they grow: publishing at the end of a long topic against the
// beginning, opening, and memory, on every adapter.
func scale(o options, dir string) error {
	if o.events == 0 {
		o.events = 1_000_000
	}
	s, err := startServers()
	if err != nil {
		return err
	}
	payloads, err := realPayloads()
	if err != nil {
		return errors.Join(err, s.end())
	}
	fmt.Printf("%d publishes of one publisher that awaits each, at the beginning (after %d) and at the end, there by a new process; p50 / p99\n\n", o.samples, warmUp)
	fmt.Println("| storage | topic | imported | at the beginning | at the end | the end's p50 by the beginning's | opening: first read, in the middle | resident after that, and the end |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, adapter := range []string{"memory", "fs", "blob", "postgres"} {
		if !contains(o.adapters, adapter) {
			continue
		}
		start := starter(o, s, adapter, filepath.Join(dir, "scale"))
		err = errors.Join(
			grown{fmt.Sprintf("events of %d bytes", len(event)), "small", o.events, []string{event}}.measure(o, adapter, start),
			grown{"real payloads", "payloads", o.payloads, payloads}.measure(o, adapter, start),
		)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", adapter, err), s.end())
		}
	}
	return s.end()
}

// starter returns what starts a process whose topics are on the adapter.
func starter(o options, s *realServers, adapter, dir string) func() (*process, error) {
	return func() (*process, error) {
		switch adapter {
		case "memory":
			return startApp(o, "memory:")
		case "fs":
			return startApp(o, "fs:"+dir)
		case "blob":
			return startAppOnBlob(o, s.blob, "scale")
		}
		return startApp(o, s.postgres)
	}
}

// grown is a topic that grows to so many events, each of which is one of a few bodies.
type grown struct {
	what, topic string
	events      int
	bodies      []string
}

func (g grown) measure(o options, adapter string, start func() (*process, error)) error {
	p, err := start()
	if err != nil {
		return err
	}
	defer func() { p.end() }()
	if err := p.createTopic(g.topic); err != nil {
		return err
	}
	beginning, err := p.latencies(g, o.samples)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := p.post("/topics/"+g.topic+"/events", "application/x-ndjson", g.lines()); err != nil {
		return err
	}
	imported, opening, opened := time.Since(begun), "–", "–"
	if adapter != "memory" { // whose topics are gone with the process
		p.end()
		if p, err = start(); err != nil {
			return err
		}
		begun := time.Now()
		if _, err := stream(p.host, fmt.Sprintf("/topics/%s/events/%d", g.topic, g.events/2), "application/json"); err != nil {
			return err
		}
		opening = fmt.Sprintf("%.1f ms", milliseconds(time.Since(begun)))
		resident, err := p.mebibytes()
		if err != nil {
			return err
		}
		opened = fmt.Sprintf("%.0f", resident)
	}
	end, err := p.latencies(g, o.samples)
	if err != nil {
		return err
	}
	head, err := p.headOf(g.topic)
	if err != nil {
		return err
	}
	resident, err := p.mebibytes()
	fmt.Printf("| %s | %d %s | %.0f/s | %s | %s | %.2f | %s | %s, %.0f MiB |\n", adapter, head, g.what, float64(g.events)/imported.Seconds(),
		quantiles(beginning), quantiles(end), float64(median(end))/float64(median(beginning)), opening, opened, resident)
	return err
}

// lines are the events of an import.
func (g grown) lines() io.Reader {
	r, w := io.Pipe()
	go func() {
		var piece bytes.Buffer
		for i := range g.events {
			piece.WriteString(g.bodies[i%len(g.bodies)])
			piece.WriteByte('\n')
			if piece.Len() > 256<<10 || i == g.events-1 {
				if _, err := piece.WriteTo(w); err != nil {
					return // the reader has gone, and tells why
				}
			}
		}
		w.Close()
	}()
	return r
}

// warmUp is how many publishes are made before those that are measured.
const warmUp = 50

// latencies are the times that publishes of one event took, one after the other.
func (p *process) latencies(g grown, samples int) (took []time.Duration, err error) {
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for i := range warmUp + samples {
		begun := time.Now()
		response, err := client.Post("http://"+p.host+"/topics/"+g.topic+"/events", "application/json", bytes.NewReader([]byte(g.bodies[i%len(g.bodies)])))
		if err != nil {
			return nil, err
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusCreated {
			return nil, fmt.Errorf("publish %d was answered with %d: %s, %v", i, response.StatusCode, answer, err)
		}
		if i >= warmUp {
			took = append(took, time.Since(begun))
		}
	}
	return took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantiles(took []time.Duration) string {
	sorted := slices.Sorted(slices.Values(took))
	return fmt.Sprintf("%.2f / %.2f ms", milliseconds(sorted[len(sorted)/2]), milliseconds(sorted[len(sorted)*99/100]))
}
