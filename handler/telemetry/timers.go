package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Timer records the runs of a timer. Under the host all that there is to tell is sent before a run ends, since the
// process may be frozen behind it.
func (t *Telemetry) Timer(name string, run func(context.Context) error) func(context.Context) error {
	if t == nil {
		return run
	}
	return func(ctx context.Context) error {
		err := t.timed(ctx, name, run)
		if t.config.UnderHost {
			t.flush(ctx)
		}
		return err
	}
}

func (t *Telemetry) timed(ctx context.Context, name string, run func(context.Context) error) (err error) {
	began, panicked := time.Now(), true
	var span trace.Span
	if t.tracer != nil {
		ctx, span = t.tracer.Start(ctx, "timer "+name, trace.WithAttributes(keyTimer.String(name)))
	}
	defer func() {
		outcome := outcomeOf(err)
		if panicked {
			outcome = outcomeError
		}
		t.recorder.timed(ctx, name, outcome, time.Since(began))
		if span != nil {
			finish(span, outcome)
		}
	}()
	err = run(ctx)
	panicked = false
	return err
}
