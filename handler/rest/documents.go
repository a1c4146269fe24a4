package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventstore/core"
	"eventstore/core/projections"
	"eventstore/core/topics"
)

// mostDocuments is the most documents in a page.
const mostDocuments = 1000

// documents answers GET /projections/{name}/documents: one document by its key, or a page of them.
func (a *api) documents(w http.ResponseWriter, r *http.Request) error {
	given, err := parameters(r, "key", "prefix", "limit", "after", "at-least", "wait")
	if err != nil {
		return err
	}
	fresh, err := freshOf(given)
	if err != nil {
		return err
	}
	if fresh.Wait > 0 {
		leave, err := a.last()
		if err != nil {
			return err
		}
		defer leave()
	}
	key, one := given["key"]
	if !one {
		return a.documentPage(w, r, given, fresh)
	}
	for _, name := range []string{"prefix", "limit", "after"} {
		if _, both := given[name]; both {
			return invalidRequest(name, "is for a page of documents, and key for one; leave either out")
		}
	}
	return a.document(w, r, key, fresh)
}

// freshOf reads how fresh an answer has to be.
func freshOf(given map[string]string) (fresh projections.Fresh, err error) {
	wait, err := numberParameter(given, "wait", 0, mostWait, 0)
	if err != nil {
		return fresh, err
	}
	fresh.Wait = time.Duration(wait) * time.Second
	text, ok := given["at-least"]
	if !ok {
		return fresh, nil
	}
	fresh.At = projections.Positions{}
	for part := range strings.SplitSeq(text, ",") {
		topic, number, found := strings.Cut(part, ":")
		if !found {
			topic, number = "", part
		}
		position, err := numberParameter(map[string]string{"at-least": number}, "at-least", 0, int64(core.MaxPosition), 0)
		if err != nil {
			return fresh, err
		}
		_, twice := fresh.At[topic]
		if twice || !found && strings.Contains(text, ",") || found && topics.CheckName(topic) != nil {
			return fresh, invalidRequest("at-least", quoted(clip(text))+" is neither a position nor a list such as orders:42,payments:7")
		}
		fresh.At[topic] = core.Position(position)
	}
	return fresh, nil
}

// document answers with one document's value.
func (a *api) document(w http.ResponseWriter, r *http.Request, key string, fresh projections.Fresh) error {
	found, err := a.Projections.Get(r.Context(), r.PathValue("name"), key, fresh)
	if errors.Is(err, projections.ErrDocumentNotFound) {
		return &problem{Code: "document-not-found", Detail: "the projection has no document of this key", Positions: found.Position}
	}
	if err != nil {
		return projectionProblem(err)
	}
	h, tag := w.Header(), `"`+found.ETag+`"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Projection-Position", positionText(found.Position))
	if noneMatches(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(found.Value)))
	_, _ = w.Write([]byte(found.Value)) // a client that has gone needs no answer
	return nil
}

// noneMatches tells whether the client has the document as it is.
func noneMatches(r *http.Request, tag string) bool {
	for part := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}

// documentPage answers with documents by key.
func (a *api) documentPage(w http.ResponseWriter, r *http.Request, given map[string]string, fresh projections.Fresh) error {
	limit, err := numberParameter(given, "limit", 1, mostDocuments, listLimit)
	if err != nil {
		return err
	}
	page, err := a.Projections.List(r.Context(), r.PathValue("name"),
		projections.PageQuery{Prefix: given["prefix"], After: given["after"], Limit: int(limit)}, fresh)
	if err != nil {
		return projectionProblem(err)
	}
	w.Header().Set("Projection-Position", positionText(page.Position))
	return writeJSON(w, http.StatusOK, struct {
		Documents []keyValue `json:"documents"`
		Next      string     `json:"next,omitzero"`
	}{keyValues(page.Documents), page.Next})
}

// positionText writes positions as in orders:42,payments:7.
func positionText(positions projections.Positions) string {
	parts := []string{}
	for topic, position := range positions {
		parts = append(parts, topic+":"+strconv.FormatInt(int64(position), 10))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
