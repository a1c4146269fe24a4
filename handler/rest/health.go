package rest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
)

// checkTime bounds GET /health: what has not answered by then counts as not reachable.
const checkTime = 5 * time.Second

// checksAtOnce bounds how many things are looked at together.
const checksAtOnce = 16

// check looks at something that may need someone, and answers a Finding for each thing it looked
// at, by a name such as "projection:totals".
type check func(ctx context.Context) map[string]Finding

// Finding is one check's outcome.
type Finding struct {
	Status string `json:"status"` // ok, or degraded
	Ms     *int64 `json:"ms,omitzero"`
	Reason string `json:"reason,omitzero"` // what is wrong; it is shown to readers, so nothing secret

	cause error // for the log
}

type healthAnswer struct {
	Status  string             `json:"status"`
	Version string             `json:"version"`
	Checks  map[string]Finding `json:"checks,omitzero"`
}

// health answers GET /health. Only a reader is shown the checks.
func (a *api) health(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTime)
	defer cancel()
	answer := healthAnswer{Status: "ok", Version: a.Version, Checks: a.checks(ctx)}
	for name, finding := range answer.Checks {
		if finding.Status != "ok" {
			a.Log.WarnContext(r.Context(), "health", "check", name, "status", finding.Status, "reason", finding.Reason, "cause", finding.cause)
			answer.Status = worse(answer.Status, finding.Status)
		}
	}
	if a.UnderHost && !a.Entra || a.authority.check(r, Reader, "") != nil {
		answer.Checks = nil // the host does not check a key here, so nobody is known to be a reader
	}
	status := http.StatusOK
	if answer.Status == "unavailable" {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", fmt.Sprint(retryLater))
	}
	return writeJSON(w, status, answer)
}

func worse(status, other string) string {
	if status == "unavailable" {
		return status
	}
	return other
}

// checks looks at everything, some of it at once.
func (a *api) checks(ctx context.Context) map[string]Finding {
	var mu sync.Mutex
	var wg sync.WaitGroup
	found, turns := map[string]Finding{}, make(chan struct{}, checksAtOnce)
	look := func(check check) {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			findings := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(found, findings)
		})
	}
	look(a.checkStore)
	look(a.failedTopics)
	if a.Projections != nil {
		look(a.checkProjections)
	}
	if a.Subscriptions != nil {
		look(a.checkSubscriptions)
	}
	for _, topic := range a.Topics.Opened() {
		look(func(ctx context.Context) map[string]Finding { return checkTopic(ctx, topic) })
	}
	wg.Wait()
	return found
}

// checkStore reads a document that is not there.
func (a *api) checkStore(ctx context.Context) map[string]Finding {
	begin := time.Now()
	_, err := a.Documents.Get(ctx, "health", "none")
	if errors.Is(err, core.ErrNotFound) {
		err = nil
	}
	finding := findingOf(err, begin)
	if err != nil {
		finding.Status, finding.Reason = "unavailable", "the instance's own store can't be reached"
	}
	return map[string]Finding{"store": finding}
}

func checkTopic(ctx context.Context, topic *topics.Topic) map[string]Finding {
	begin := time.Now()
	_, err := topic.Log.Head(ctx)
	return map[string]Finding{"topic:" + topic.Name: findingOf(err, begin)}
}

func (a *api) failedTopics(context.Context) map[string]Finding {
	found := map[string]Finding{}
	for name, err := range a.Topics.Failed() {
		found["topic:"+name] = Finding{Status: "degraded", Reason: problemOf(err).Detail, cause: err}
	}
	return found
}

// checkProjections tells of each projection whether it needs someone.
func (a *api) checkProjections(ctx context.Context) map[string]Finding {
	begin, found := time.Now(), map[string]Finding{}
	troubles, err := a.Projections.Health(ctx)
	if err != nil {
		found["projections"] = findingOf(err, begin)
	}
	for name, reason := range troubles {
		found["projection:"+name] = Finding{Status: "ok"}
		if reason != "" {
			found["projection:"+name] = Finding{Status: "degraded", Reason: reason}
		}
	}
	return found
}

func findingOf(err error, begin time.Time) Finding {
	ms := time.Since(begin).Milliseconds()
	if err != nil {
		return Finding{Status: "degraded", Ms: &ms, Reason: problemOf(err).Detail, cause: err}
	}
	return Finding{Status: "ok", Ms: &ms}
}
