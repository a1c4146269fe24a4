package rest

import (
	"context"
	"errors"
	"strings"
	"time"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/subscribers"
	"eventstore/core/topics"
)

// retryLater is the Retry-After of what may work again soon, in seconds.
const retryLater = 1

// problemOf is the one table from errors to what a client is told. Errors of 5xx tell nothing of
// what is inside.
func problemOf(err error) *problem {
	var (
		p         *problem
		invalid   *core.InvalidError
		tooLarge  *core.TooLargeError
		exists    *topics.ExistsError
		idUsed    *commands.IDConflictError
		condition *commands.ConditionError
		outcome   *commands.OutcomeError
		refused   *core.RefusedError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &outcome):
		return outcomeProblem(outcome)
	case errors.As(err, &invalid):
		return invalidProblem(invalid)
	case errors.As(err, &tooLarge):
		return &problem{Code: "too-large", Detail: tooLarge.Error()}
	case errors.As(err, &exists):
		return &problem{Code: "topic-exists", Detail: exists.Error()}
	case errors.As(err, &idUsed):
		return idProblem(idUsed)
	case errors.As(err, &condition):
		return conditionProblem(condition)
	case errors.As(err, &refused):
		return &problem{Code: "callback-refused", Detail: refused.Reason}
	case errors.Is(err, subscribers.ErrNotFound):
		return &problem{Code: "subscription-not-found", Detail: "the topic has no subscription of this id; it may have expired"}
	case errors.Is(err, topics.ErrTopicNotFound):
		return &problem{Code: "topic-not-found", Detail: "there is no topic of this name; POST /topics registers one"}
	case errors.Is(err, queries.ErrEventNotFound):
		return &problem{Code: "event-not-found", Detail: "the topic has no event at this position"}
	}
	return storageProblem(err)
}

// invalidProblem tells what is wrong with a request. A registered topic whose configuration no longer
// works is no fault of the request, which can't see that configuration either.
func invalidProblem(err *core.InvalidError) *problem {
	switch place, _, _ := strings.Cut(err.Place, "."); place {
	case "adapter", "connection", "schema", "table", "options":
		return unavailable("the topic's configuration does not work here; the server's log says why")
	}
	return &problem{Code: "invalid-request", Detail: err.Error()}
}

func idProblem(err *commands.IDConflictError) *problem {
	p := &problem{Code: "id-conflict", Detail: err.Error()}
	if err.Position != 0 {
		p.Position = set(err.Position)
	}
	return p
}

// storageProblem is what a client is told of the storage and what is behind it.
func storageProblem(err error) *problem {
	switch {
	case errors.Is(err, core.ErrTooBusy):
		return &problem{Code: "too-busy", RetryAfter: retryLater, Detail: "too many requests wait for this topic"}
	case errors.Is(err, core.ErrRejected):
		return &problem{Code: "invalid-request", Detail: "the topic's storage can't hold this"}
	case errors.Is(err, core.ErrForeign):
		return unavailable("the topic's storage holds another log than the one it was registered with")
	case errors.Is(err, core.ErrCorrupt):
		return unavailable("the topic's storage is damaged; the server's log says where")
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{Code: "storage-timeout", RetryAfter: retryLater, Detail: "the storage did not answer in time"}
	}
	return unavailable("the storage can't be used now")
}

func unavailable(detail string) *problem {
	return &problem{Code: "storage-unavailable", RetryAfter: retryLater, Detail: detail}
}

func conditionProblem(err *commands.ConditionError) *problem {
	p := &problem{Code: "condition-failed", Head: set(err.Head), Detail: "the head is not the one that the condition wants"}
	if err.Position != 0 {
		p.Position, p.Detail = set(err.Position), "an event matches the condition's failIfMatch"
	}
	return p
}

func outcomeProblem(err *commands.OutcomeError) *problem {
	p := *storageProblem(err.Unwrap())
	p.Outcome = "not-stored"
	if err.Unknown {
		p.Outcome = "unknown"
	}
	if seconds := int((err.RetryAfter + time.Second - 1) / time.Second); seconds > 0 {
		p.RetryAfter = seconds
	}
	return &p
}

// publishProblem is the problem of a publish: it says what became of the events, and names places as
// the body has them.
func publishProblem(err error, single bool) *problem {
	p := *problemOf(err)
	p.cause = err
	if single {
		p.Detail = strings.TrimPrefix(strings.TrimPrefix(p.Detail, "events[0]."), "events[0]: ")
	}
	if p.status() >= 500 && p.Outcome == "" || p.Code == "too-busy" {
		p.Outcome = notStoredOr(err)
	}
	return &p
}

// notStoredOr says what became of a publish whose error is the port's own.
func notStoredOr(err error) string {
	for _, refused := range []error{core.ErrTooBusy, core.ErrUnavailable, core.ErrForeign} {
		if errors.Is(err, refused) {
			return "not-stored"
		}
	}
	return "unknown"
}

func set(position core.Position) *core.Position { return &position }
