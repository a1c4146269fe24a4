package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"eventstore/adapters/javascript"
	"eventstore/core"
	"eventstore/core/projections"
	"eventstore/core/topics"
	"eventstore/handler/cli"
	"eventstore/handler/trigger"
)

// goHandlers are the projections' handlers that are built in, in Go; a definition names one of them.
func goHandlers() []projections.Handler { return nil }

// newProjections folds a registry's topics into documents. While busy says so, rebuilds give way.
func newProjections(s settings, registry *topics.Registry, documents core.Documents, busy func() bool, log *slog.Logger) *projections.Projections {
	// One processor is kept back, where there are several, for those who publish and read.
	engine := javascript.NewEngine(runtime.GOMAXPROCS(0) - 1)
	return projections.New(projections.Config{
		Topics:    registry,
		Documents: documents,
		Compile: func(ctx context.Context, source string) (projections.Program, error) {
			program, err := engine.Compile(ctx, source)
			if err != nil {
				return nil, err // and not a nil program in an interface
			}
			return program, nil
		},
		Handlers:      goHandlers(),
		Ran:           s.telemetry.Ran(),
		Busy:          busy,
		ParseSchedule: func(text string) (projections.Schedule, error) { return trigger.ParseSchedule(text) },
		Log:           log,
	})
}

// projectionTimers are the timers that fold and rebuild. The one that rebuilds also maintains the topics.
func projectionTimers(p *projections.Projections, registry *topics.Registry) []trigger.Timer {
	return []trigger.Timer{
		{Name: "project", Setting: "PROJECT_SCHEDULE", Run: p.Project},
		{Name: "replay", Setting: "REPLAY_SCHEDULE", Run: func(ctx context.Context) error {
			return errors.Join(p.Rebuilds(ctx), maintain(ctx, registry))
		}},
	}
}

// maintain has the logs that are open in this process bring up to date what they derive: an index whose writer
// was killed before it was done, say. One that can't keeps no other from it.
func maintain(ctx context.Context, registry *topics.Registry) error {
	var errs []error
	for _, topic := range registry.Opened() {
		log, ok := topic.Log.(interface{ Maintain(context.Context) error })
		if !ok {
			continue
		}
		if err := log.Maintain(ctx); err != nil {
			errs = append(errs, fmt.Errorf("maintaining topic %q: %w", topic.Name, err))
		}
	}
	return errors.Join(errs...)
}

// follow runs what nudges ask of projections, until the returned function is called, which waits for it.
func follow(p *projections.Projections) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	return func() { cancel(); <-done }
}

// replayCommand rebuilds a projection in this process, to its end.
func replayCommand(p process) *cobra.Command {
	return onStorage(p, "replay NAME", "rebuild a projection here and now", cobra.ExactArgs(1), func(ctx context.Context, t *storageTool, args []string) error {
		begun, progress := time.Now(), cli.NewProgress(t.stderr, "rebuilding", 1_000)
		err := t.app.projections.Replay(ctx, args[0], func(now projections.Progress) {
			progress.Done(int64(1_000*now.Progress), fmt.Sprintf("%.0f events/s", now.EventsPerSecond))
		})
		if progress.End(); err != nil {
			return err
		}
		return t.say("projection %s is rebuilt, in %s", args[0], time.Since(begun).Round(time.Millisecond))
	})
}
