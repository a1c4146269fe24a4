package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// contenders are the processes that publish to one topic, and contending the publishers of each.
	contenders, contending = 4, 16
	// contendTimes is how many times as long as a rate the contention is measured, for the sake of its tail.
	contendTimes = 5
)

// contendRows: several processes publish to one topic. Each storage has its row.
func contendRows(o options, dir string, s *realServers) error {
	for _, adapter := range []string{"fs", "blob", "postgres"} {
		if err := contend(o, adapter, starter(o, s, adapter, filepath.Join(dir, "contend"))); err != nil {
			return fmt.Errorf("%s: %w", adapter, err)
		}
	}
	return nil
}

// contend measures how long each publish takes where processes contend, against one process alone that has as many
// publishers, and how evenly the processes got their turns.
func contend(o options, adapter string, start func() (*process, error)) error {
	var processes []*process
	for range contenders {
		p, err := start()
		if err != nil {
			return err
		}
		defer p.end()
		processes = append(processes, p)
	}
	if err := processes[0].createTopic("contended"); err != nil {
		return err
	}
	alone, err := publishFrom(processes[:1], contenders*contending, contendTimes*o.seconds)
	if err != nil {
		return err
	}
	together, err := publishFrom(processes, contending, contendTimes*o.seconds)
	if err != nil {
		return err
	}
	least, most := slices.MinFunc(together, byLength), slices.MaxFunc(together, byLength)
	all, one := slices.Concat(together...), alone[0]
	line(fmt.Sprintf("publish over HTTP, %d processes with %d publishers each on one topic, %s", contenders, contending, adapter),
		fmt.Sprintf("%.0f/s; %s, longest %.0f ms; of %d, a process had %d to %d", float64(len(all))/(contendTimes*o.seconds).Seconds(),
			quantiles(all), milliseconds(slices.Max(all)), len(all), len(least), len(most)),
		fmt.Sprintf("one process with %d: %.0f/s; %s, longest %.0f ms", contenders*contending, float64(len(one))/(contendTimes*o.seconds).Seconds(),
			quantiles(one), milliseconds(slices.Max(one))), float64(len(all))/float64(len(one)), "–")
	return nil
}

func byLength(a, b []time.Duration) int { return len(a) - len(b) }

// publishFrom has publishers publish to each process for a while, one event after the other, and returns how
// long each publish took, by process.
func publishFrom(processes []*process, publishers int, duration time.Duration) ([][]time.Duration, error) {
	var mu sync.Mutex
	var failure error
	var running sync.WaitGroup
	took, until := make([][]time.Duration, len(processes)), time.Now().Add(duration)
	for i, p := range processes {
		for range publishers {
			running.Go(func() {
				own, err := p.publishUntil(until)
				mu.Lock()
				defer mu.Unlock()
				took[i] = append(took[i], own...)
				if err != nil {
					failure = err
				}
			})
		}
	}
	running.Wait()
	return took, failure
}

// publishUntil is one publisher.
func (p *process) publishUntil(until time.Time) (took []time.Duration, err error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for time.Now().Before(until) {
		one, err := p.publishOnce(client, "contended", event)
		if err != nil {
			return took, err
		}
		took = append(took, one)
	}
	return took, nil
}
