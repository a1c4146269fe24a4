package trigger_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/handler/trigger"
)

var quiet = slog.New(slog.DiscardHandler)

// runFor runs one timer for a while of the bubble's time.
func runFor(t *testing.T, d time.Duration, schedule string, run func(context.Context) error) {
	t.Helper()
	timer := trigger.Timer{Name: "tick", Setting: "TICK_SCHEDULE", Run: run}
	scheduler, err := trigger.NewScheduler([]trigger.Timer{timer}, map[string]string{"TICK_SCHEDULE": schedule}, quiet)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	scheduler.Run(ctx)
}

func TestATimerRunsAtEachOfItsTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		runFor(t, 3500*time.Millisecond, "* * * * * *", func(context.Context) error {
			at = append(at, time.Since(begun))
			return nil
		})
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, at)
	})
}

func TestASlowRunIsNotOverlappedAndIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		running := 0
		runFor(t, 7*time.Second, "* * * * * *", func(context.Context) error {
			running++
			require.Equal(t, 1, running)
			at = append(at, time.Since(begun))
			time.Sleep(2500 * time.Millisecond)
			running--
			return nil
		})
		require.Equal(t, []time.Duration{time.Second, 3500 * time.Millisecond, 6 * time.Second}, at)
	})
}

func TestAFailureOrAPanicDoesNotEndATimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		runFor(t, 3500*time.Millisecond, "* * * * * *", func(context.Context) error {
			if runs++; runs == 1 {
				panic("broken")
			}
			return errors.New("still broken")
		})
		require.Equal(t, 3, runs)
	})
}

func TestAStuckTimerDelaysNoOtherAndIsCutAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs, cut := 0, time.Duration(0)
		begun := time.Now()
		timers := []trigger.Timer{
			{Name: "stuck", Setting: "A", Run: func(ctx context.Context) error {
				<-ctx.Done()
				if cut == 0 {
					cut = time.Since(begun)
				}
				return ctx.Err()
			}},
			{Name: "other", Setting: "B", Run: func(context.Context) error { runs++; return nil }},
		}
		scheduler, err := trigger.NewScheduler(timers, map[string]string{"A": "* * * * * *", "B": "0 * * * * *"}, quiet)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Second)
		defer cancel()
		scheduler.Run(ctx)
		require.Equal(t, 5, runs)
		require.Equal(t, trigger.Deadline+time.Second, cut)
	})
}

func TestRunReturnsWhenTheRunUnderWayHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := false
		runFor(t, 1500*time.Millisecond, "* * * * * *", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Minute) // what a run does to leave things in order
			ended = true
			return nil
		})
		require.True(t, ended)
	})
}

func TestAScheduleThatIsWrongNamesItsSetting(t *testing.T) {
	t.Parallel()
	timers := []trigger.Timer{{Name: "project", Setting: "PROJECT_SCHEDULE"}}
	_, err := trigger.NewScheduler(timers, nil, quiet)
	require.EqualError(t, err, `PROJECT_SCHEDULE is not set: it needs the schedule of "project": {second} {minute} {hour} {day} {month} {day of the week}, such as 0 */5 * * * * for every five minutes`)
	_, err = trigger.NewScheduler(timers, map[string]string{"PROJECT_SCHEDULE": "often"}, quiet)
	require.ErrorContains(t, err, `PROJECT_SCHEDULE: schedule "often" has 1 fields, and needs six`)
}

func TestWithoutTimersRunReturnsAtOnce(t *testing.T) {
	t.Parallel()
	scheduler, err := trigger.NewScheduler(nil, nil, quiet)
	require.NoError(t, err)
	scheduler.Run(t.Context())
}

func TestAFailureIsLoggedOnceWithItsCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		timer := trigger.Timer{Name: "tick", Setting: "S", Run: func(context.Context) error { return errors.New("no storage") }}
		scheduler, err := trigger.NewScheduler([]trigger.Timer{timer}, map[string]string{"S": "* * * * * *"}, slog.New(slog.NewJSONHandler(&lines, nil)))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		scheduler.Run(ctx)
		require.Equal(t, 1, bytes.Count(lines.Bytes(), []byte("\n")))
		require.Contains(t, lines.String(), `"msg":"timer failed","timer":"tick","ms":0,"error":"no storage"`)
	})
}
