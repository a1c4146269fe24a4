package rest

import (
	"bytes"
	"errors"
	"net/http"

	"eventstore/core"
	"eventstore/core/projections"
)

// listProjections answers GET /projections.
func (a *api) listProjections(w http.ResponseWriter, r *http.Request) error {
	given, err := parameters(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := numberParameter(given, "limit", 1, mostListed, listLimit)
	if err != nil {
		return err
	}
	statuses, next, err := a.Projections.Statuses(r.Context(), given["after"], int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Projections []projections.Status `json:"projections"`
		Next        string               `json:"next,omitzero"`
	}{statuses, next})
}

// projection answers GET /projections/{name}.
func (a *api) projection(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	return a.answerStatus(w, r, http.StatusOK)
}

// answerStatus answers with what the projection in the path is doing.
func (a *api) answerStatus(w http.ResponseWriter, r *http.Request, status int) error {
	now, err := a.Projections.Status(r.Context(), r.PathValue("name"))
	if err != nil {
		return projectionProblem(err)
	}
	return writeJSON(w, status, now)
}

// putProjection answers PUT /projections/{name}.
func (a *api) putProjection(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	var definition projections.Definition
	if err := jsonBody(w, r, func(c *cursor) error { return c.definition(&definition) }); err != nil {
		return err
	}
	name := r.PathValue("name")
	created, err := a.Projections.Put(r.Context(), name, definition)
	if err != nil {
		return projectionProblem(err)
	}
	w.Header().Set("Location", "/projections/"+name)
	if created {
		return a.answerStatus(w, r, http.StatusCreated)
	}
	return a.answerStatus(w, r, http.StatusOK)
}

func (c *cursor) definition(d *projections.Definition) error {
	return c.object(func(name string) (err error) {
		switch name {
		case "topics":
			d.Topics, err = c.filledStrings()
		case "filter":
			d.Filter, err = c.items()
		case "source":
			d.Source, err = c.filled()
		case "handler":
			d.Handler, err = c.filled()
		case "rebuild":
			d.Schedule, err = c.schedule()
		case "description":
			d.Description, err = c.string()
		default:
			err = c.unknown("a projection", "topics, filter, source, handler, rebuild and description")
		}
		return err
	})
}

func (c *cursor) schedule() (schedule string, err error) {
	err = c.object(func(name string) (err error) {
		if name != "schedule" {
			return c.unknown("rebuild", "schedule")
		}
		schedule, err = c.filled()
		return err
	})
	if err == nil && schedule == "" {
		err = core.Invalid("rebuild.schedule", "is missing; it is a time such as 0 0 3 * * *, with six fields")
	}
	return schedule, err
}

// deleteProjection answers DELETE /projections/{name}.
func (a *api) deleteProjection(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	if err := a.Projections.Delete(r.Context(), r.PathValue("name")); err != nil {
		return projectionProblem(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// pauseProjection answers POST /projections/{name}/pause.
func (a *api) pauseProjection(w http.ResponseWriter, r *http.Request) error {
	return a.act(w, r, http.StatusOK, func() error { return a.Projections.Pause(r.Context(), r.PathValue("name")) })
}

// resumeProjection answers POST /projections/{name}/resume.
func (a *api) resumeProjection(w http.ResponseWriter, r *http.Request) error {
	return a.act(w, r, http.StatusOK, func() error { return a.Projections.Resume(r.Context(), r.PathValue("name")) })
}

// rebuildProjection answers POST /projections/{name}/rebuild.
func (a *api) rebuildProjection(w http.ResponseWriter, r *http.Request) error {
	return a.act(w, r, http.StatusAccepted, func() error {
		_, err := a.Projections.Rebuild(r.Context(), r.PathValue("name"))
		return err
	})
}

// act does what needs no body, and answers with the projection's status.
func (a *api) act(w http.ResponseWriter, r *http.Request, status int, do func() error) error {
	if err := noParameters(r); err != nil {
		return err
	}
	if err := emptyBody(w, r); err != nil {
		return err
	}
	if err := do(); err != nil {
		return projectionProblem(err)
	}
	return a.answerStatus(w, r, status)
}

// emptyBody refuses a body that says anything: none and {} do not.
func emptyBody(w http.ResponseWriter, r *http.Request) error {
	body, release, err := readBody(w, r, smallBody)
	if err != nil {
		return err
	}
	defer release()
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	return readJSON(body, func(c *cursor) error {
		return c.object(func(string) error { return c.unknown("this request", "none") })
	})
}

// rollbackProjection answers POST /projections/{name}/rollback.
func (a *api) rollbackProjection(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	to := int64(0)
	err := jsonBody(w, r, func(c *cursor) error {
		return c.object(func(name string) (err error) {
			if name != "to" {
				return c.unknown("a rollback", "to")
			}
			to, err = c.integer(1)
			return err
		})
	})
	if err == nil && to == 0 {
		err = core.Invalid("to", "is missing; it is the version to go back to")
	}
	if err != nil {
		return err
	}
	if err := a.Projections.Rollback(r.Context(), r.PathValue("name"), int(to)); err != nil {
		return projectionProblem(err)
	}
	return a.answerStatus(w, r, http.StatusOK)
}

// skipEvent answers POST /projections/{name}/skip.
func (a *api) skipEvent(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	topic, position := "", int64(0)
	err := jsonBody(w, r, func(c *cursor) error {
		return c.object(func(name string) (err error) {
			switch name {
			case "topic":
				topic, err = c.filled()
			case "position":
				position, err = c.integer(1)
			default:
				err = c.unknown("a skip", "topic and position")
			}
			return err
		})
	})
	if err == nil && (topic == "" || position == 0) {
		err = core.Invalid("", "topic or position is missing; both are needed, as lastError tells them")
	}
	if err != nil {
		return err
	}
	if err := a.Projections.Skip(r.Context(), r.PathValue("name"), topic, core.Position(position)); err != nil {
		return projectionProblem(err)
	}
	return a.answerStatus(w, r, http.StatusOK)
}

// projectionProblem is the problem of what went wrong with a projection.
func projectionProblem(err error) error {
	var invalid *projections.InvalidError
	var behind *projections.BehindError
	switch {
	case errors.As(err, &invalid):
		p := &problem{Code: "invalid-projection", Detail: invalid.Error()}
		if invalid.Line > 0 {
			p.Line, p.Column = &invalid.Line, &invalid.Column
		}
		return p
	case errors.As(err, &behind):
		p := &problem{Code: "projection-behind", Detail: behind.Reason + "; it reflects " + positionText(behind.Position), Positions: behind.Position, RetryAfter: retryLater}
		for _, position := range behind.Position {
			if len(behind.Position) == 1 {
				p.Position = set(position)
			}
		}
		return p
	case errors.Is(err, projections.ErrNotFound):
		return &problem{Code: "projection-not-found", Detail: "there is no projection of this name; PUT defines one"}
	case errors.Is(err, projections.ErrPageExpired):
		return &problem{Code: "page-expired", Detail: "the version that this page belongs to was replaced; begin again at the first page"}
	}
	return err
}
