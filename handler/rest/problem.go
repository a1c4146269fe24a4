package rest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"eventstore/core"
	"eventstore/core/projections"
)

// problem is an error as a client sees it: application/problem+json of RFC 9457.
type problem struct {
	Code   string // a key of kinds, which has its status and title
	Status int    // instead of the kind's, where not 0
	Detail string
	// Head, Position, Line and Stored are extra members where a client can use them; nil leaves one out.
	Head, Position *core.Position
	Line, Stored   *int
	Column         *int                  // of a projection's source, beside Line
	Positions      projections.Positions // of projection-behind and document-not-found: what it reflects, by topic
	Outcome        string                // of a publish: not-stored or unknown
	RetryAfter     int                   // seconds; 0 leaves the header out
	Allow          string                // the methods that a path has
	Challenge      string                // of unauthorized: what would be let in
	cause          error                 // what it was made of, where that tells more; for the log alone
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

func (p *problem) Unwrap() error { return p.cause }

func (p *problem) status() int {
	if p.Status != 0 {
		return p.Status
	}
	return kinds[p.Code].status
}

// invalidRequest is the problem of a request that breaks a rule.
func invalidRequest(place, reason string) *problem {
	return &problem{Code: "invalid-request", Detail: core.Invalid(place, "%s", reason).Error()}
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	clear(h)
	secure(h)
	h.Set("Content-Type", "application/problem+json")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Allow != "" {
		h.Set("Allow", p.Allow)
	}
	if len(p.Positions) > 0 {
		h.Set("Projection-Position", positionText(p.Positions))
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	w.WriteHeader(p.status())
	_, _ = w.Write(p.json()) // a client that has gone needs no answer
}

// longestDetail is the most characters of a detail, which may quote what a client sent.
const longestDetail = 600

func (p *problem) json() []byte {
	b := append([]byte(`{"type":"/problems/`), p.Code...)
	b = core.AppendString(append(b, `","title":`...), kinds[p.Code].title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.status()), 10)
	b = core.AppendString(append(b, `,"detail":`...), clipTo(p.Detail, longestDetail))
	b = core.AppendString(append(b, `,"code":`...), p.Code)
	b = appendPosition(b, `,"head":`, p.Head)
	b = appendPosition(b, `,"position":`, p.Position)
	b = appendCount(b, `,"line":`, p.Line)
	b = appendCount(b, `,"stored":`, p.Stored)
	b = appendCount(b, `,"column":`, p.Column)
	b = appendPositions(b, p.Positions)
	if p.Outcome != "" {
		b = core.AppendString(append(b, `,"outcome":`...), p.Outcome)
	}
	return append(b, '}', '\n')
}

func appendPosition(b []byte, name string, position *core.Position) []byte {
	if position == nil {
		return b
	}
	return strconv.AppendInt(append(b, name...), int64(*position), 10)
}

func appendCount(b []byte, name string, count *int) []byte {
	if count == nil {
		return b
	}
	return strconv.AppendInt(append(b, name...), int64(*count), 10)
}

func appendPositions(b []byte, positions projections.Positions) []byte {
	if len(positions) == 0 {
		return b
	}
	separator := `,"positions":{`
	for _, topic := range slices.Sorted(maps.Keys(positions)) {
		b = core.AppendString(append(b, separator...), topic)
		b = strconv.AppendInt(append(b, ':'), int64(positions[topic]), 10)
		separator = ","
	}
	return append(b, '}')
}
