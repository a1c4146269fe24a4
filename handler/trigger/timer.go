// Package trigger runs the timers: called by the Functions host, whose envelope it
// reads and answers, or, where there is no host, by a scheduler of its own that
// keeps the same schedules.
package trigger

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Timer is work that is done again and again.
type Timer struct {
	// Name is the function's: the folder under functions/ and the path the host calls.
	Name string
	// Setting is the name of the setting that holds the timer's schedule.
	Setting string
	// Run does one bounded piece of the work. What it leaves, and what it fails at, is for
	// the next run. Two runs may coincide, in one process or in two: Run
	// has to be right then, too.
	Run func(ctx context.Context) error
}

// Deadline is how long a run may take: less than host.json's functionTimeout, at which the
// host kills the handler with all else that it is doing.
const Deadline = 4 * time.Minute

// run runs a timer once, bounded in time, logs how it went and returns its error; a panic is
// an error too.
func (t Timer) run(ctx context.Context, log *slog.Logger) (err error) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	begun := time.Now()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
		took := slog.Int64("ms", time.Since(begun).Milliseconds())
		if err != nil {
			log.ErrorContext(ctx, "timer failed", "timer", t.Name, took, "error", err)
			return
		}
		log.DebugContext(ctx, "timer ran", "timer", t.Name, took)
	}()
	return t.Run(ctx)
}
