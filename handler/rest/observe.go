package rest

import "net/http"

// observer is a ResponseWriter that wants to know which route answers, and which topic the path names.
type observer interface{ Answers(route, topic string) }

// metricsRoute is there in local mode alone: it is no function of the host's, and no part of the API.
var metricsRoute = Route{Method: "GET", Pattern: "/metrics", Role: Reader, serve: func(a *api, w http.ResponseWriter, r *http.Request) error {
	a.Metrics.ServeHTTP(w, r)
	return nil
}}
