package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// put defines a projection.
func (p *process) put(name, topic, source string) error {
	body, err := json.Marshal(map[string]any{"topics": []string{topic}, "source": source})
	if err != nil {
		return err
	}
	return p.do("PUT", "/projections/"+name, string(body))
}

// do sends a request with a JSON body, "" for none.
func (p *process) do(method, path, body string) error {
	request, err := http.NewRequest(method, "http://"+p.host+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s was answered with %d: %s", method, path, response.StatusCode, text)
	}
	return err
}

func get(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
}

// projectingRow: publishes and reads of documents, with and without a rebuild of the projection going on.
func projectingRow(o options, dir string) error {
	app, err := startApp(o, "fs:"+dir)
	if err != nil {
		return err
	}
	defer app.end()
	for _, topic := range []string{"bench", "orders"} {
		if err := app.createTopic(topic); err != nil {
			return err
		}
	}
	if err := app.fill("orders", o.stream); err != nil {
		return err
	}
	if err := app.put("amounts", "orders", amountSource); err != nil {
		return err
	}
	document := "/projections/amounts/documents?key=order-4711"
	if _, err := stream(app.host, fmt.Sprintf("%s&wait=60&at-least=%d", document, o.stream), "application/json"); err != nil {
		return err
	}
	requests := []struct {
		what   string
		of     []byte
		status int
	}{{"publishes", post("/topics/bench/events"), http.StatusCreated}, {"reads of a document", get(document), http.StatusOK}}
	for _, r := range requests {
		var rates [2][]float64
		for range o.rounds {
			for rebuilding := range 2 {
				stop := func() error { return nil }
				if rebuilding == 1 {
					stop = app.rebuildAllTheTime("amounts")
				}
				rate, err := load(app.host, r.of, r.status, o.connections, o.seconds)
				if err := errors.Join(err, stop()); err != nil {
					return err
				}
				rates[rebuilding] = append(rates[rebuilding], rate)
			}
		}
		with, without := median(rates[1]), median(rates[0])
		line(r.what+" during a rebuild, fs", fmt.Sprintf("%.0f/s", with), fmt.Sprintf("without it: %.0f/s", without), with/without, "1")
	}
	return nil
}

// rebuildAllTheTime rebuilds one projection again and again, until stop is called.
func (p *process) rebuildAllTheTime(name string) (stop func() error) {
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				ended <- nil
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := p.do("POST", "/projections/"+name+"/rebuild", ""); err != nil { // one that is under way goes on
				ended <- err
				return
			}
		}
	}()
	return func() error { close(done); return <-ended }
}

// waitRow: on each storage, an event is published on one instance and read with at-least on another.
func waitRow(o options, dir string, s *realServers) error {
	for _, storage := range []struct{ name, store string }{{"fs", "fs:" + filepath.Join(dir, "fs")}, {"blob", "blob:waits"}, {"postgres", s.postgres}, {"memory", "memory:"}} {
		if err := waits(o, storage.name, storage.store, s); err != nil {
			return fmt.Errorf("%s: %w", storage.name, err)
		}
	}
	return nil
}

func waits(o options, storage, store string, s *realServers) error {
	writer, err := startApp(o, store, "AzureWebJobsStorage="+s.blob)
	if err != nil {
		return err
	}
	defer writer.end()
	reader := writer // memory is one process's
	if storage != "memory" {
		if reader, err = startApp(o, store, "AzureWebJobsStorage="+s.blob); err != nil {
			return err
		}
		defer reader.end()
	}
	if err := writer.createTopic("reads"); err != nil {
		return err
	}
	if err := writer.put("counts", "reads", `({ key: e => e.subject, on: { OrderPlaced: doc => (doc ?? 0) + 1 } })`); err != nil {
		return err
	}
	var took []time.Duration
	for round := 1; round <= o.samples; round++ {
		if err := writer.post("/topics/reads/events", "application/json", strings.NewReader(event)); err != nil {
			return err
		}
		begun := time.Now()
		value, err := text(reader.host, fmt.Sprintf("/projections/counts/documents?key=order-4711&at-least=%d&wait=30", round))
		if err != nil {
			return err
		}
		if took = append(took, time.Since(begun)); value != fmt.Sprint(round) {
			return fmt.Errorf("the answer is stale: %s after %d publishes", value, round)
		}
	}
	p50, p99 := quantile(took, 50), quantile(took, 99)
	line("read what another instance has published, "+storage, fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", milliseconds(p50), milliseconds(p99)),
		fmt.Sprintf("%d rounds, none stale", o.samples), float64(p99)/float64(p50), "never stale")
	return nil
}

func text(host, path string) (string, error) {
	response, err := http.Get("http://" + host + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s was answered with %d: %s", path, response.StatusCode, body)
	}
	return string(body), err
}

// hostile are definitions that take all they can get.
var hostile = map[string]string{
	"endless":   `for (;;);`,
	"memory":    `const all = []; for (;;) all.push("x".repeat(1 << 16) + all.length);`,
	"recursion": `const down = n => down(n + 1) + 1; return down(0);`,
	"regex":     `return /^(a+)+$/.test("a".repeat(40) + "!");`,
	"large":     `return "x".repeat(100 << 20);`,
	"prototype": `Object.prototype.polluted = 1; return {};`,
}

// hostileRow: the latency of publishes to one topic, with and without projections of another topic that take all they can get.
func hostileRow(o options, dir string) error {
	app, err := startApp(o, "fs:"+dir)
	if err != nil {
		return err
	}
	defer app.end()
	for _, topic := range []string{"bench", "victims"} {
		if err := app.createTopic(topic); err != nil {
			return err
		}
	}
	for name, body := range hostile {
		if err := app.put(name, "victims", `({ key: e => e.subject, on: { OrderPlaced: (doc, e) => { `+body+` } } })`); err != nil {
			return err
		}
	}
	if err := app.post("/topics/victims/events", "application/json", strings.NewReader(event)); err != nil {
		return err
	}
	var p50, p99 [2][]time.Duration
	for range o.rounds {
		for attacked := range 2 {
			stop := app.resumeAllTheTime(attacked == 1)
			took, err := latencies(app.host, post("/topics/bench/events"), 8, o.seconds)
			if err := errors.Join(err, stop()); err != nil {
				return err
			}
			p50[attacked], p99[attacked] = append(p50[attacked], quantile(took, 50)), append(p99[attacked], quantile(took, 99))
		}
	}
	for q, values := range map[string][2][]time.Duration{"p50": p50, "p99": p99} {
		with, without := median(values[1]), median(values[0])
		line("latency of a publish beside six hostile definitions, 8 connections, fs, "+q, fmt.Sprintf("%.2f ms", milliseconds(with)),
			fmt.Sprintf("without them: %.2f ms", milliseconds(without)), float64(with)/float64(without), "≤ 1.5")
	}
	return nil
}

// resumeAllTheTime has the hostile definitions tried again and again, whatever their waits; else it pauses them.
func (p *process) resumeAllTheTime(attack bool) (stop func() error) {
	done := make(chan struct{})
	errs := make([]error, 0, 1)
	var mu sync.Mutex
	var attacking sync.WaitGroup
	for name := range hostile {
		act := "/pause"
		if attack {
			act = "/resume"
		}
		attacking.Go(func() {
			for {
				if err := p.do("POST", "/projections/"+name+act, ""); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
				select {
				case <-done:
					return
				case <-time.After(100 * time.Millisecond):
				}
				if !attack {
					return
				}
			}
		})
	}
	if !attack {
		attacking.Wait()
	}
	return func() error { close(done); attacking.Wait(); return errors.Join(errs...) }
}

// latencies sends a request over and over on so many connections, and tells how long each answer took.
func latencies(host string, request []byte, connections int, duration time.Duration) (all []time.Duration, err error) {
	var mu sync.Mutex
	var stop atomic.Bool
	var senders sync.WaitGroup
	var errs []error
	for range connections {
		senders.Go(func() {
			took, err := timed(host, request, &stop)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			errs = append(errs, err)
		})
	}
	time.Sleep(duration)
	stop.Store(true)
	senders.Wait()
	return all, errors.Join(errs...)
}

func timed(host string, request []byte, stop *atomic.Bool) (took []time.Duration, err error) {
	connection, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for !stop.Load() {
		begun := time.Now()
		if _, err := connection.Write(request); err != nil {
			return nil, err
		}
		if err := answer(answers, http.StatusCreated); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}
