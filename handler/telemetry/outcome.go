package telemetry

import (
	"context"
	"errors"

	"eventstore/core"
)

// How something came out, as metrics tell it.
const (
	outcomeOK       = "ok"
	outcomeConflict = "conflict"
	outcomeMissing  = "not-found"
	outcomeGivenUp  = "given-up" // who asked did not wait
	outcomeError    = "error"
)

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, core.ErrConflict):
		return outcomeConflict
	case errors.Is(err, core.ErrNotFound):
		return outcomeMissing
	case errors.Is(err, context.Canceled):
		return outcomeGivenUp
	}
	return outcomeError
}
