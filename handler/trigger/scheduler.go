package trigger

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Scheduler runs timers on their schedules, where no host does.
type Scheduler struct {
	timers    []Timer
	schedules []Schedule // schedules[i] is that of timers[i]
	log       *slog.Logger
}

// NewScheduler reads the schedules of timers: schedules holds the value of each timer's
// setting. An error names the setting, what it is and what would be right.
func NewScheduler(timers []Timer, schedules map[string]string, log *slog.Logger) (*Scheduler, error) {
	s := &Scheduler{timers: timers, log: log}
	for _, timer := range timers {
		text, found := schedules[timer.Setting]
		if !found {
			return nil, fmt.Errorf("%s is not set: it needs the schedule of %q: %s", timer.Setting, timer.Name, example)
		}
		schedule, err := ParseSchedule(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", timer.Setting, err)
		}
		s.schedules = append(s.schedules, schedule)
	}
	return s, nil
}

// Run runs the timers until ctx ends, and returns when the runs under way have ended.
// A timer never overlaps itself, and delays no other. When a run takes longer than
// its period the next follows at once; others that were missed are left out.
func (s *Scheduler) Run(ctx context.Context) {
	var running sync.WaitGroup
	for i, timer := range s.timers {
		running.Go(func() { s.keep(ctx, timer, s.schedules[i]) })
	}
	running.Wait()
}

// keep runs one timer. As in the host, the next time is counted from a run's start.
func (s *Scheduler) keep(ctx context.Context, timer Timer, schedule Schedule) {
	for begun := time.Now(); waitUntil(ctx, schedule.Next(begun)); {
		begun = time.Now()
		// The error is in the log, and the next run goes on where this one ended.
		_ = timer.run(ctx, s.log)
	}
}

// waitUntil returns true at a time, or false when ctx ends before.
func waitUntil(ctx context.Context, at time.Time) bool {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return ctx.Err() == nil
	}
}
