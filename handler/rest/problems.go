package rest

import (
	"fmt"
	"html"
	"net/http"
)

// kind is one code of API.md's table of errors, with what its page says.
type kind struct {
	status int
	title  string
	page   string
}

// kinds are all codes that an answer can have.
var kinds = map[string]kind{
	"invalid-request": {400, "The request is not valid",
		"The body, a query parameter or a header does not parse or breaks a rule; detail names it. Nothing was stored. Repeating the request unchanged gives the same answer."},
	"invalid-topic": {400, "The topic's name or configuration is not valid",
		"A topic's name has 1 to 100 lower-case letters, digits, -, _ and ., and starts and ends with a letter or digit. Nothing was registered."},
	"invalid-projection": {400, "The projection's definition is not valid",
		"detail says what is wrong with it, line and column where in its source. Nothing was changed. POST /projections/{name}/try folds events into documents without changing anything."},
	"callback-refused": {400, "The callback may not be called from here",
		"The instance's address policy forbids it: by default only https on public addresses is called, and the address is checked again at every delivery. Nothing was registered."},
	"unauthorized": {401, "A key or a sign-in is needed",
		"Send a key in the header x-functions-key or, where Entra decides, a token of this instance's application as Authorization: Bearer."},
	"forbidden": {403, "Not with this key or role, or not from there",
		"Who sent this is known, but has not the role that this path needs, or not for this topic; or a browser sent the request from another site."},
	"topic-not-found": {404, "There is no such topic",
		"Register it with POST /topics."},
	"event-not-found": {404, "There is no such event",
		"The topic has no event at this position yet."},
	"subscription-not-found": {404, "There is no such subscription",
		"It was never registered, was deleted, or has expired: POST /topics/{topic}/subscribe registers it anew. An answer of 410 to a delivery deletes it too."},
	"projection-not-found": {404, "There is no such projection",
		"Define it with PUT /projections/{name}."},
	"document-not-found": {404, "There is no such document",
		"The projection has no document of this key: no event has made one, or one has deleted it."},
	"page-expired": {410, "The page's version of the projection is gone",
		"A page keeps to the version of the documents that it began with, which was replaced and deleted since. Begin again, without after."},
	"route-not-found": {404, "There is no such path",
		"GET /openapi.json lists the paths there are."},
	"method-not-allowed": {405, "The path does not take this method",
		"The header Allow lists the methods that it takes."},
	"not-acceptable": {406, "None of the accepted media types can be answered",
		"detail lists the media types of this path."},
	"topic-exists": {409, "The topic's name or storage is taken",
		"There is a topic of this name with another configuration, or another topic has this storage. Registering the same configuration again is answered with 200."},
	"id-conflict": {409, "The event's id was used before",
		"The topic has an event of this id with another type, source, subject or data, at position. Nothing was stored."},
	"condition-failed": {412, "The condition does not hold",
		"head is the position of the topic's last event, position that of an event that breaks the condition. Nothing was stored: read what is new, decide again, and publish with the new head."},
	"too-large": {413, "Too large",
		"An event has at most 1 MiB, a request 16 MiB and 10,000 events. An import (application/x-ndjson) has no limit but the event's."},
	"unsupported-media-type": {415, "The body's media type is not supported",
		"detail lists the media types of this path. A body is sent without a Content-Encoding."},
	"too-busy": {429, "Too many requests at once",
		"Too many publishes wait for this topic, or too many streams and waits are open in this instance. Nothing was stored. Repeat the request, with the same ids, after Retry-After seconds."},
	"internal-error": {500, "The server failed",
		"This is a fault of the server, whose log says more. A publish may or may not have been stored: repeat it with the same ids."},
	"storage-unavailable": {503, "The storage can't be used now",
		"From a publish, outcome says whether the events were stored: not-stored, or unknown. Repeating the request with the same ids is safe in both cases."},
	"projection-behind": {504, "The projection has not come that far",
		"It does not reflect the events that at-least asks for, in the time that wait gives. position (or positions, by topic) says how far it is; GET /projections/{name} says why. Repeat the request later."},
	"storage-timeout": {504, "The storage did not answer in time",
		"From a publish, outcome says whether the events were stored: not-stored, or unknown. Repeating the request with the same ids is safe in both cases."},
}

// problemPage answers GET /problems/{code}.
func (a *api) problemPage(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	code := r.PathValue("code")
	k, ok := kinds[code]
	if !ok {
		return &problem{Code: "route-not-found", Detail: fmt.Sprintf("there is no problem %q", clip(code))}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=86400")
	_, err := fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\">\n<title>%[1]s</title>\n<h1>%[1]s</h1>\n<p><b>%[2]s</b> (status %[3]d)</p>\n<p>%[4]s</p>\n",
		html.EscapeString(code), html.EscapeString(k.title), k.status, html.EscapeString(k.page))
	return err
}
