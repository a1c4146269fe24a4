package rest

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"eventstore/core"
	"eventstore/core/projections"
)

// triedLast is how many of a topic's last events are tried where none is said.
const triedLast = 100

// tryProjection answers POST /projections/{name}/try: the documents that a definition makes of some events. Nothing changes.
func (a *api) tryProjection(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	trial := projections.Trial{Last: triedLast}
	if err := jsonBody(w, r, func(c *cursor) error { return c.trial(&trial) }); err != nil {
		return err
	}
	if (trial.Topic == "") == (trial.Events == nil) {
		return invalidRequest("", "either events or a topic is needed, to say what is folded")
	}
	if err := completeTried(trial.Events); err != nil {
		return err
	}
	documents, err := a.Projections.Try(r.Context(), r.PathValue("name"), trial)
	if err != nil {
		return projectionProblem(err)
	}
	return writeJSON(w, http.StatusOK, struct {
		Documents []keyValue `json:"documents"`
	}{keyValues(documents)})
}

func (c *cursor) trial(t *projections.Trial) error {
	return c.object(func(name string) (err error) {
		var n int64
		switch name {
		case "source":
			t.Definition.Source, err = c.filled()
		case "handler":
			t.Definition.Handler, err = c.filled()
		case "filter":
			t.Definition.Filter, err = c.items()
		case "events":
			t.Events, err = c.events((*cursor).event)
		case "topic":
			t.Topic, err = c.filled()
		case "last":
			if n, err = c.integer(1); err == nil && n > projections.MaxTried {
				err = c.invalid("%d is more than the %d events that can be tried", n, projections.MaxTried)
			}
			t.Last = int(n)
		default:
			err = c.unknown("a try", "source, handler, filter, events, topic and last")
		}
		return err
	})
}

// completeTried gives events what a publish would give them, and checks them.
func completeTried(events []core.Event) error {
	for i := range events {
		e, place := &events[i], fmt.Sprintf("events[%d]", i)
		if err := e.CheckSize(place); err != nil {
			return err
		}
		if e.ID == "" {
			e.ID = fmt.Sprintf("try-%d", i+1)
		}
		if e.Source == "" {
			e.Source = "/try"
		}
		if e.DataContentType == "" && e.DataBase64 == "" {
			e.DataContentType = core.DefaultContentType
		}
		if err := e.Validate(place); err != nil {
			return err
		}
	}
	return nil
}

// keyValue is a document in an answer.
type keyValue struct {
	Key   string         `json:"key"`
	Value jsontext.Value `json:"value"`
}

func keyValues(documents []projections.KeyValue) []keyValue {
	all := make([]keyValue, len(documents))
	for i, d := range documents {
		all[i] = keyValue{d.Key, jsontext.Value(d.Value)}
	}
	return all
}
