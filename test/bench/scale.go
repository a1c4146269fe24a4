package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scale measures whether topics stay as they are when they grow: publishing at the end of a long topic against the
// beginning of a new one, opening, and memory, on every adapter.
func scale(o options, dir string) error {
	s, err := startServers()
	if err != nil {
		return err
	}
	payloads, err := realPayloads()
	if err != nil {
		return errors.Join(err, s.end())
	}
	fmt.Printf("%d publishes to each of two topics, the long one and a new one, by turns, so that whatever else the machine does hits both; "+
		"one publisher that awaits each; p50 / p99\n\n", o.samples)
	fmt.Println("| storage | the long topic | imported | publishing, at the beginning | at the end | ratio of the p50s, the p99s | first read after a start: in the middle of the long one | of the new one | resident: after that first read, and after publishing |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
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

// beginning is the name of the topic that stays short.
func (g grown) beginning() string { return g.topic + "-new" }

func (g grown) measure(o options, adapter string, start func() (*process, error)) error {
	p, err := start()
	if err != nil {
		return err
	}
	defer func() { p.end() }()
	imported, err := p.grow(g)
	if err != nil {
		return err
	}
	first := opening{middle: "–", short: "–", resident: "–"}
	if adapter != "memory" { // whose topics are gone with the process
		p.end()
		if first, err = g.open(o, start); err != nil {
			return err
		}
		if p, err = start(); err != nil {
			return err
		}
	}
	beginning, end, err := p.latencies(g, o.samples)
	if err != nil {
		return err
	}
	head, err := p.headOf(g.topic)
	if err != nil {
		return err
	}
	resident, err := p.mebibytes()
	fmt.Printf("| %s | %d %s | %.0f/s | %s | %s | %.2f, %.2f | %s | %s | %s, %.0f MiB |\n", adapter, head, g.what, float64(g.events)/imported.Seconds(),
		quantiles(beginning), quantiles(end), ratio(quantile(end, 50), quantile(beginning, 50)), ratio(quantile(end, 99), quantile(beginning, 99)),
		first.middle, first.short, first.resident, resident)
	return err
}

// grow makes both topics, imports the long one's events and returns how long that took.
func (p *process) grow(g grown) (time.Duration, error) {
	for _, topic := range []string{g.topic, g.beginning()} {
		if err := p.createTopic(topic); err != nil {
			return 0, err
		}
	}
	if err := p.post("/topics/"+g.beginning()+"/events", "application/json", bytes.NewReader([]byte(g.bodies[0]))); err != nil {
		return 0, err
	}
	begun := time.Now()
	err := p.post("/topics/"+g.topic+"/events", "application/x-ndjson", g.lines())
	return time.Since(begun), err
}

// opening is what new processes needed for their first read.
type opening struct{ middle, short, resident string }

// open has new processes read one event, of each topic by turns.
func (g grown) open(o options, start func() (*process, error)) (opening, error) {
	var middle, short []time.Duration
	var resident []float64
	for range 2*o.rounds + 1 {
		took, memory, err := firstRead(start, fmt.Sprintf("/topics/%s/events/%d", g.topic, g.events/2))
		if err != nil {
			return opening{}, err
		}
		middle, resident = append(middle, took), append(resident, memory)
		if took, _, err = firstRead(start, "/topics/"+g.beginning()+"/events/1"); err != nil {
			return opening{}, err
		}
		short = append(short, took)
	}
	return opening{fmt.Sprintf("%.1f ms", milliseconds(median(middle))), fmt.Sprintf("%.1f ms", milliseconds(median(short))), fmt.Sprintf("%.0f", median(resident))}, nil
}

// firstRead is how long a new process takes to answer its first read, and its memory after it.
func firstRead(start func() (*process, error), path string) (took time.Duration, mebibytes float64, err error) {
	p, err := start()
	if err != nil {
		return 0, 0, err
	}
	defer p.end()
	begun := time.Now()
	if _, err := stream(p.host, path, "application/json"); err != nil {
		return 0, 0, err
	}
	took = time.Since(begun)
	mebibytes, err = p.mebibytes()
	return took, mebibytes, err
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

// warmUp is how many publishes to each topic are made before those that are measured.
const warmUp = 50

// latencies are the times that publishes of one event took, to the new topic and to the long one by turns.
func (p *process) latencies(g grown, samples int) (beginning, end []time.Duration, err error) {
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for i := range warmUp + samples {
		short, err := p.publishOnce(client, g.beginning(), g.bodies[i%len(g.bodies)])
		if err != nil {
			return nil, nil, err
		}
		long, err := p.publishOnce(client, g.topic, g.bodies[i%len(g.bodies)])
		if err != nil {
			return nil, nil, err
		}
		if i >= warmUp {
			beginning, end = append(beginning, short), append(end, long)
		}
	}
	return beginning, end, nil
}

// publishOnce publishes one event and returns how long it took.
func (p *process) publishOnce(client *http.Client, topic, body string) (time.Duration, error) {
	begun := time.Now()
	response, err := client.Post("http://"+p.host+"/topics/"+topic+"/events", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusCreated {
		return 0, fmt.Errorf("a publish to %s was answered with %d: %s, %v", topic, response.StatusCode, answer, err)
	}
	return time.Since(begun), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantiles(took []time.Duration) string {
	return fmt.Sprintf("%.2f / %.2f ms", milliseconds(quantile(took, 50)), milliseconds(quantile(took, 99)))
}

func quantile(took []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[len(sorted)*percent/100]
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
