package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

func TestTheDescriptionHasEveryRouteAndNoOther(t *testing.T) {
	t.Parallel()
	document := description(t)
	require.Equal(t, "3.1.0", document.OpenAPI)
	var described, routed []string
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			if method != http.MethodHead { // every GET answers it
				described = append(described, method+" "+path)
			}
		}
	}
	for _, route := range rest.Routes() {
		routed = append(routed, route.Method+" "+strings.ReplaceAll(route.Pattern, "{$}", ""))
	}
	require.ElementsMatch(t, routed, described)
}

func TestTheDescriptionSaysWhichRoutesAreOpen(t *testing.T) {
	t.Parallel()
	document := description(t)
	for _, route := range rest.Routes() {
		operation := document.Paths.Value(strings.ReplaceAll(route.Pattern, "{$}", "")).GetOperation(route.Method)
		require.Equal(t, route.Role == rest.Open, operation.Security != nil && len(*operation.Security) == 0, route.Pattern)
	}
}

func TestEveryGetAnswersHeadWithTheSameHeaders(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"T"}`)
	for _, route := range rest.Routes() {
		if route.Method != "GET" || route.Pattern == "/health" { // a check's ms has no fixed length
			continue
		}
		path := strings.NewReplacer("{topic}", "orders", "{position}", "1", "{code}", "forbidden", "{$}", "").Replace(route.Pattern)
		got, head := a.get(path), a.do("HEAD", path, "")
		require.Equal(t, got.status, head.status, path)
		require.Equal(t, got.header.Get("ETag"), head.header.Get("ETag"), path)
	}
}

func TestEveryProblemHasAPage(t *testing.T) {
	t.Parallel()
	document := description(t)
	a := newAPI(t)
	for _, code := range document.Components.Schemas["ProblemCode"].Value.Enum {
		page := a.get("/problems/" + code.(string)).is(200)
		require.Contains(t, page.header.Get("Content-Type"), "text/html")
		require.Contains(t, page.body, "<h1>"+code.(string)+"</h1>")
	}
	a.get("/problems/none").problem(404, "route-not-found")
	a.get("/problems/%3Cscript%3E").problem(404, "route-not-found")
}
