package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"eventstore/handler/telemetry"
	"eventstore/handler/trigger"
)

// everySecond is the schedule of a timer in local mode that has no other.
const everySecond = "* * * * * *"

// withTimers serves the timers that the host calls beside the API. Without the host nobody may
// call them.
func withTimers(api http.Handler, timers []trigger.Timer, told *telemetry.Telemetry, log *slog.Logger) http.Handler {
	called, paths := trigger.Handler(timers, log), map[string]bool{}
	for _, timer := range timers {
		paths["/"+timer.Name] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && paths[r.URL.Path] {
			called.ServeHTTP(w, told.Remote(r))
			return
		}
		api.ServeHTTP(w, r)
	})
}

// scheduleSettings hold the timers' schedules.
var scheduleSettings = []string{"PROJECT_SCHEDULE", "DELIVER_SCHEDULE", "REPLAY_SCHEDULE"}

// readSchedules reads and checks them. The host reads them itself, and fails each function whose schedule is
// missing or wrong; so it is told here, in one line.
func (s *settings) readSchedules(getenv func(string) string) error {
	s.schedules = map[string]string{}
	for _, name := range scheduleSettings {
		text := getenv(name)
		if text == "" && !s.underHost {
			text = everySecond
		}
		if text == "" {
			return &settingError{name, "", "under the Functions host each timer needs its schedule, such as 0 * * * * * for every minute"}
		}
		if _, err := trigger.ParseSchedule(text); err != nil {
			return &settingError{name, text, err.Error()}
		}
		s.schedules[name] = text
	}
	return nil
}

// schedule runs the timers on their schedules, where no host does, until the returned function is called,
// which waits for the runs under way.
func schedule(schedules map[string]string, timers []trigger.Timer, log *slog.Logger) (stop func(), err error) {
	scheduler, err := trigger.NewScheduler(timers, schedules, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { scheduler.Run(ctx) })
	return func() { cancel(); running.Wait() }, nil
}
