package main

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"eventstore/test/bench/report"
)

// topicCounts are how many topics there are.
var topicCounts = []int{1, 10, 100, 1000, 10_000}

// topicsRow: whether one topic minds how many others there are: publishing to all of them in turn, and the first read of
// one by a new process, on fs.
func topicsRow(o options, dir string) error {
	app, err := startApp(o, "fs:"+filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	defer func() { app.end() }()
	published, opened, memory := newTails(), report.Line{Name: "first read after a start"}, report.Line{Name: "resident, all topics opened"}
	there, alone := 0, 0.0
	for _, count := range topicCounts {
		if err := createTopics(app, there, count); err != nil {
			return err
		}
		there = count
		took, rate, err := publishToAll(app, count, o)
		if err != nil {
			return err
		}
		resident, err := app.mebibytes()
		if err != nil {
			return err
		}
		if err := app.interrupt(); err != nil {
			return err
		}
		if app, err = startApp(o, "fs:"+filepath.Join(dir, "store")); err != nil {
			return err
		}
		begun := time.Now()
		if _, err := stream(app.host, fmt.Sprintf("/topics/topic-%d/events/1", count/2), "application/json"); err != nil {
			return err
		}
		first := time.Since(begun)
		if alone == 0 {
			alone = rate
		}
		line(fmt.Sprintf("publish over HTTP, one event a request, fs, in turn to %d topics, %d connections", count, topicConnections), fmt.Sprintf("%.0f/s; %s; %.0f MiB resident; first read after a start: %.2f ms", rate, took, resident, milliseconds(first)),
			fmt.Sprintf("one topic: %.0f/s", alone), rate/alone, "–")
		x := float64(count)
		published.add(x, took)
		opened.Points, memory.Points = append(opened.Points, report.Point{x, milliseconds(first)}), append(memory.Points, report.Point{x, resident})
	}
	for i := range published {
		published[i].Name = "publish, " + published[i].Name
	}
	count := report.Axis{Label: "topics", Logarithmic: true}
	picture(report.Plot{Name: "topics-latency", Title: "As there are more topics, fs", X: count, Y: report.Axis{Label: "milliseconds", Logarithmic: true}, Lines: append([]report.Line{opened}, published[:]...)})
	picture(report.Plot{Name: "topics-memory", Title: "Memory with all topics opened, fs", X: count, Y: report.Axis{Label: "MiB resident"}, Lines: []report.Line{memory}})
	return nil
}

// topicConnections are few, so that what is told is the time of a publish and not of a queue.
const topicConnections = 8

// createTopics makes the topics from one number up to another, with an event in each.
func createTopics(app *process, from, to int) error {
	var working sync.WaitGroup
	errs := make([]error, topicConnections)
	for worker := range errs {
		working.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := from + worker; i < to && errs[worker] == nil; i += len(errs) {
				if errs[worker] = app.createTopic(topicName(i)); errs[worker] == nil {
					_, errs[worker] = app.publishOnce(client, topicName(i), event)
				}
			}
		})
	}
	working.Wait()
	return errors.Join(errs...)
}

func topicName(i int) string { return fmt.Sprint("topic-", i) }

// publishToAll publishes for a while, each time to the next topic.
func publishToAll(app *process, count int, o options) (tail, float64, error) {
	var mu sync.Mutex
	var working sync.WaitGroup
	var next atomic.Int64
	var all []time.Duration
	var failure error
	begun := time.Now()
	for range topicConnections {
		working.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			var own []time.Duration
			var err error
			for time.Since(begun) < o.seconds && err == nil {
				var took time.Duration
				if took, err = app.publishOnce(client, topicName(int(next.Add(1))%count), event); err == nil {
					own = append(own, took)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all, failure = append(all, own...), errors.Join(failure, err)
		})
	}
	working.Wait()
	return tailOf(all), float64(len(all)) / time.Since(begun).Seconds(), failure
}
