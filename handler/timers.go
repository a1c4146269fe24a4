package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"eventstore/handler/trigger"
)

// everySecond is the schedule of a timer in local mode that has no other.
const everySecond = "* * * * * *"

// withTimers serves the timers that the host calls beside the API. Without the host nobody may
// call them.
func withTimers(api http.Handler, timers []trigger.Timer, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	called := trigger.Handler(timers, log)
	for _, timer := range timers {
		mux.Handle("POST /"+timer.Name, called)
	}
	mux.Handle("/", api)
	return mux
}

// schedule runs the timers on their schedules, where no host does, until the returned function is called,
// which waits for the runs under way.
func schedule(getenv func(string) string, timers []trigger.Timer, log *slog.Logger) (stop func(), err error) {
	schedules := map[string]string{}
	for _, timer := range timers {
		schedules[timer.Setting] = everySecond
		if text := getenv(timer.Setting); text != "" {
			schedules[timer.Setting] = text
		}
	}
	scheduler, err := trigger.NewScheduler(timers, schedules, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { scheduler.Run(ctx) })
	return func() { cancel(); running.Wait() }, nil
}
