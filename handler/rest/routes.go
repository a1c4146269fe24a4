package rest

import (
	"net/http"
	"strings"
)

// Route is one path of the API.
type Route struct {
	Method   string // a GET route answers HEAD too
	Pattern  string // as http.ServeMux has them
	Function string // the folder of functions/ that serves it under the host; "" where the host has no route for it
	Role     Role
	serve    func(*api, http.ResponseWriter, *http.Request) error
}

// Routes lists every path of the API.
func Routes() []Route {
	return []Route{
		{"GET", "/topics", "topics", Reader, (*api).listTopics},
		{"GET", "/topics/{topic}", "topics", Reader, (*api).topic},
		{"POST", "/topics", "create_topic", Admin, (*api).createTopic},
		{"DELETE", "/topics/{topic}", "delete_topic", Admin, (*api).deleteTopic},
		{"POST", "/topics/{topic}/events", "publish", Publisher, (*api).publish},
		{"GET", "/topics/{topic}/events", "query", Reader, (*api).query},
		{"GET", "/topics/{topic}/events/{position}", "query", Reader, (*api).event},
		{"POST", "/topics/{topic}/query", "post_query", Reader, (*api).postQuery},
		{"GET", "/topics/{topic}/verify", "verify", Reader, (*api).verify},
		{"POST", "/topics/{topic}/subscribe", "subscribe", Admin, (*api).subscribe},
		{"POST", "/topics/{topic}/subscriptions", "create_subscription", Admin, (*api).subscribe},
		{"GET", "/topics/{topic}/subscriptions", "subscriptions", Reader, (*api).listSubscriptions},
		{"GET", "/topics/{topic}/subscriptions/{id}", "subscriptions", Reader, (*api).subscription},
		{"DELETE", "/topics/{topic}/subscriptions/{id}", "manage_subscriptions", Admin, (*api).deleteSubscription},
		{"GET", "/topics/{topic}/subscriptions/{id}/parked", "parked_events", Reader, (*api).parkedEvents},
		{"POST", "/topics/{topic}/subscriptions/{id}/redrive", "redrive_parked", Admin, bare((*api).redriveParked)},
		{"POST", "/topics/{topic}/subscriptions/{id}/rewind", "rewind_subscription", Admin, (*api).rewindSubscription},
		{"POST", "/topics/{topic}/subscriptions/{id}/pause", "pause_subscription", Admin, bare((*api).pauseSubscription)},
		{"POST", "/topics/{topic}/subscriptions/{id}/resume", "resume_subscription", Admin, bare((*api).resumeSubscription)},
		{"POST", "/topics/{topic}/subscriptions/{id}/rotate-secret", "rotate_secret", Admin, bare((*api).rotateSecret)},
		{"GET", "/projections", "projections", Reader, (*api).listProjections},
		{"GET", "/projections/{name}", "projections", Reader, (*api).projection},
		{"PUT", "/projections/{name}", "manage_projections", Admin, (*api).putProjection},
		{"DELETE", "/projections/{name}", "manage_projections", Admin, (*api).deleteProjection},
		{"POST", "/projections/{name}/try", "try_projection", Admin, (*api).tryProjection},
		{"POST", "/projections/{name}/skip", "skip_event", Admin, (*api).skipEvent},
		{"POST", "/projections/{name}/rebuild", "rebuild_projection", Admin, bare((*api).rebuildProjection)},
		{"POST", "/projections/{name}/rollback", "rollback_projection", Admin, (*api).rollbackProjection},
		{"POST", "/projections/{name}/pause", "pause_projection", Admin, bare((*api).pauseProjection)},
		{"POST", "/projections/{name}/resume", "resume_projection", Admin, bare((*api).resumeProjection)},
		{"GET", "/projections/{name}/documents", "documents", Reader, (*api).documents},
		{"GET", "/health", "health", Open, (*api).health},
		{"GET", "/openapi.json", "openapi", Open, (*api).openAPI},
		{"GET", "/problems/{code}", "problems", Open, (*api).problemPage},
		{"GET", "/{$}", "", Open, (*api).root},
	}
}

// mux serves the routes; any other request is told what it got wrong.
func (a *api) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		mux.Handle(route.Method+" "+route.Pattern, a.endpoint(route))
	}
	if a.Metrics != nil {
		mux.Handle(metricsRoute.Method+" "+metricsRoute.Pattern, a.endpoint(metricsRoute))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, noRoute(mux, r)) })
	return mux
}

// noRoute says whether a path has other methods, or is none.
func noRoute(mux *http.ServeMux, r *http.Request) error {
	var allowed []string
	for _, method := range []string{"DELETE", "GET", "HEAD", "POST", "PUT"} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	path := clip(r.URL.Path)
	if len(allowed) == 0 {
		return &problem{Code: "route-not-found", Detail: "there is no path " + quoted(path)}
	}
	allow := strings.Join(allowed, ", ")
	return &problem{Code: "method-not-allowed", Allow: allow, Detail: quoted(path) + " takes " + allow + ", not " + clip(r.Method)}
}

// tidy reports whether a path is one that a mux would serve without redirecting it: no empty
// segments, no . and .. segments.
func tidy(escapedPath string) bool {
	if !strings.HasPrefix(escapedPath, "/") {
		return false
	}
	for segment := range strings.SplitSeq(escapedPath[1:], "/") {
		if segment == "" && escapedPath != "/" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// root answers the host's question whether this process listens.
func (a *api) root(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
