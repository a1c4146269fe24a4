package rest

import (
	"context"
	"net/http"
	"time"

	"eventstore/core"
	"eventstore/core/subscribers"
)

// registered is what registering a callback is answered with.
type registered struct {
	ID       string        `json:"id"`
	Secret   string        `json:"secret,omitzero"` // of a new one, here only
	Expires  string        `json:"expires"`
	Next     core.Position `json:"next"`
	Verified bool          `json:"verified"`
}

// subscriptionView is a subscription as it is shown.
type subscriptionView struct {
	ID          string        `json:"id"`
	Topic       string        `json:"topic"`
	Callback    string        `json:"callback"`
	Types       []string      `json:"types,omitempty"`
	Subjects    []string      `json:"subjects,omitempty"`
	Tags        []string      `json:"tags,omitempty"`
	Name        string        `json:"name,omitzero"`
	Secret      string        `json:"secret"`
	TTL         string        `json:"ttl"`
	Batch       int           `json:"batch"`
	Created     string        `json:"created"`
	Expires     string        `json:"expires"`
	State       string        `json:"state"`
	Verified    bool          `json:"verified"`
	Next        core.Position `json:"next"`
	Head        core.Position `json:"head"`
	Lag         int64         `json:"lag"`
	Attempts    int           `json:"attempts"`
	NextAttempt string        `json:"nextAttempt,omitzero"`
	LastError   string        `json:"lastError,omitzero"`
	Delivered   int64         `json:"delivered"`
	Parked      int           `json:"parked"`
}

func viewOf(s subscribers.Status) subscriptionView {
	return subscriptionView{ID: s.ID, Topic: s.Topic, Callback: s.Callback, Types: s.Item.Types, Subjects: s.Item.Subjects, Tags: s.Item.Tags,
		Name: s.Name, Secret: "whsec_***", TTL: s.TTL, Batch: s.Batch, Created: core.FormatTime(s.Created), Expires: core.FormatTime(s.Expires),
		State: s.State, Verified: s.Verified, Next: s.Next, Head: s.Head, Lag: s.Lag, Attempts: s.Attempts, NextAttempt: timeOrNone(s.NextAttempt),
		LastError: s.LastError, Delivered: s.Delivered, Parked: s.Parked}
}

// subscribe answers POST /topics/{topic}/subscribe, and the same on …/subscriptions.
func (a *api) subscribe(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	given, err := parameters(r, "from")
	if err != nil {
		return err
	}
	request := subscribers.Request{Topic: topic}
	if request.From, err = positionParameter(given, "from"); err != nil {
		return err
	}
	if err := jsonBody(w, r, func(c *cursor) error { return c.subscription(&request) }); err != nil {
		return err
	}
	done, err := a.Subscriptions.Subscribe(r.Context(), request)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/topics/"+topic+"/subscriptions/"+done.ID)
	status := http.StatusOK
	if done.Created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, registered{done.ID, done.Secret, core.FormatTime(done.Expires), done.Next, done.Verified})
}

func (c *cursor) subscription(q *subscribers.Request) error {
	return c.object(func(name string) (err error) {
		switch name {
		case "callback":
			q.Callback, err = c.filled()
		case "types":
			q.Item.Types, err = c.filledStrings()
		case "subjects":
			q.Item.Subjects, err = c.filledStrings()
		case "tags":
			q.Item.Tags, err = c.filledStrings()
		case "secret":
			q.Secret, err = c.filled()
		case "ttl":
			q.TTL, err = c.duration()
		case "batch":
			var batch int64
			batch, err = c.integer(1)
			q.Batch = int(min(batch, 1<<30))
		case "name":
			q.Name, err = c.string()
		default:
			err = c.unknown("a subscription", "callback, types, subjects, tags, secret, ttl, batch and name (from is a parameter of the query)")
		}
		return err
	})
}

func (c *cursor) duration() (time.Duration, error) {
	text, err := c.filled()
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d == 0 {
		return 0, c.invalid("%s is not a duration from 1m to 2160h, such as 168h", quoted(clip(text)))
	}
	return d, nil
}

// listSubscriptions answers GET /topics/{topic}/subscriptions.
func (a *api) listSubscriptions(w http.ResponseWriter, r *http.Request) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	given, err := parameters(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := numberParameter(given, "limit", 1, mostListed, listLimit)
	if err != nil {
		return err
	}
	some, next, err := a.Subscriptions.List(r.Context(), topic, given["after"], int(limit))
	if err != nil {
		return err
	}
	page := struct {
		Subscriptions []subscriptionView `json:"subscriptions"`
		Next          string             `json:"next,omitzero"`
	}{make([]subscriptionView, 0, len(some)), next}
	for _, status := range some {
		page.Subscriptions = append(page.Subscriptions, viewOf(status))
	}
	return writeJSON(w, http.StatusOK, page)
}

// onSubscription does what needs no body with the subscription in the path.
func (a *api) onSubscription(r *http.Request, do func(ctx context.Context, topic, id string) error) error {
	topic, err := topicName(r)
	if err != nil {
		return err
	}
	if err := noParameters(r); err != nil {
		return err
	}
	return do(r.Context(), topic, r.PathValue("id"))
}

// answerSubscription answers with what the subscription in the path is after do.
func (a *api) answerSubscription(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, topic, id string) (subscribers.Status, error)) error {
	return a.onSubscription(r, func(ctx context.Context, topic, id string) error {
		status, err := do(ctx, topic, id)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, viewOf(status))
	})
}

// subscription answers GET /topics/{topic}/subscriptions/{id}.
func (a *api) subscription(w http.ResponseWriter, r *http.Request) error {
	return a.answerSubscription(w, r, a.Subscriptions.Get)
}

// redriveParked answers POST …/{id}/redrive.
func (a *api) redriveParked(w http.ResponseWriter, r *http.Request) error {
	return a.answerSubscription(w, r, a.Subscriptions.Redrive)
}

// pauseSubscription answers POST …/{id}/pause.
func (a *api) pauseSubscription(w http.ResponseWriter, r *http.Request) error {
	return a.answerSubscription(w, r, a.Subscriptions.Pause)
}

// resumeSubscription answers POST …/{id}/resume.
func (a *api) resumeSubscription(w http.ResponseWriter, r *http.Request) error {
	return a.answerSubscription(w, r, a.Subscriptions.Resume)
}

// rewindSubscription answers POST …/{id}/rewind.
func (a *api) rewindSubscription(w http.ResponseWriter, r *http.Request) error {
	return a.answerSubscription(w, r, func(ctx context.Context, topic, id string) (subscribers.Status, error) {
		from, err := rewindBody(w, r)
		if err != nil {
			return subscribers.Status{}, err
		}
		return a.Subscriptions.Rewind(ctx, topic, id, from)
	})
}

// rewindBody reads {"from":n}.
func rewindBody(w http.ResponseWriter, r *http.Request) (from core.Position, err error) {
	err = jsonBody(w, r, func(c *cursor) error {
		err := c.object(func(name string) error {
			if name != "from" {
				return c.unknown("a rewind", "from")
			}
			n, err := c.integer(1)
			from = core.Position(n)
			return err
		})
		if err == nil && from == 0 {
			return core.Invalid("from", "is missing; it is the position to deliver from")
		}
		return err
	})
	return from, err
}

// rotateSecret answers POST …/{id}/rotate-secret.
func (a *api) rotateSecret(w http.ResponseWriter, r *http.Request) error {
	return a.onSubscription(r, func(ctx context.Context, topic, id string) error {
		secret, err := a.Subscriptions.RotateSecret(ctx, topic, id)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, struct {
			Secret string `json:"secret"`
		}{secret})
	})
}

// deleteSubscription answers DELETE /topics/{topic}/subscriptions/{id}.
func (a *api) deleteSubscription(w http.ResponseWriter, r *http.Request) error {
	return a.onSubscription(r, func(ctx context.Context, topic, id string) error {
		if err := a.Subscriptions.Delete(ctx, topic, id); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// parkedView is a parked subject as it is shown.
type parkedView struct {
	Subject   string          `json:"subject,omitzero"`
	Positions []core.Position `json:"positions"`
	Events    int             `json:"events"`
	Attempts  int             `json:"attempts"`
	LastError string          `json:"lastError"`
	Since     string          `json:"since"`
}

// parkedEvents answers GET …/{id}/parked.
func (a *api) parkedEvents(w http.ResponseWriter, r *http.Request) error {
	return a.onSubscription(r, func(ctx context.Context, topic, id string) error {
		parked, err := a.Subscriptions.ListParked(ctx, topic, id)
		if err != nil {
			return err
		}
		list := make([]parkedView, 0, len(parked))
		for _, p := range parked {
			list = append(list, parkedView{p.Subject, p.Positions, p.Events, p.Attempts, p.LastError, core.FormatTime(p.Since)})
		}
		return writeJSON(w, http.StatusOK, struct {
			Parked []parkedView `json:"parked"`
		}{list})
	})
}

// checkSubscriptions tells the subscriptions that need someone.
func (a *api) checkSubscriptions(ctx context.Context) map[string]Finding {
	begin, found := time.Now(), map[string]Finding{}
	troubles, err := a.Subscriptions.Troubles(ctx)
	if err != nil {
		found["subscriptions"] = findingOf(err, begin)
	}
	for _, t := range troubles {
		found["subscription:"+t.Topic+"/"+t.ID] = Finding{Status: "degraded", Reason: t.Reason}
	}
	return found
}
