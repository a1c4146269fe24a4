package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

// rights says what each route needs. A route that is not here, or is no more, fails the tests: a right is never given by
// forgetting it.
var rights = map[string]rest.Role{
	"GET /{$}":             rest.Open,
	"GET /health":          rest.Open,
	"GET /openapi.json":    rest.Open,
	"GET /problems/{code}": rest.Open,

	"POST /topics/{topic}/events": rest.Publisher,

	"GET /topics":                                           rest.Reader,
	"GET /topics/{topic}":                                   rest.Reader,
	"GET /topics/{topic}/events":                            rest.Reader,
	"GET /topics/{topic}/events/{position}":                 rest.Reader,
	"POST /topics/{topic}/query":                            rest.Reader,
	"GET /topics/{topic}/verify":                            rest.Reader,
	"GET /topics/{topic}/subscriptions":                     rest.Reader,
	"GET /topics/{topic}/subscriptions/{id}":                rest.Reader,
	"GET /topics/{topic}/subscriptions/{id}/parked":         rest.Reader,
	"GET /projections":                                      rest.Reader,
	"GET /projections/{name}":                               rest.Reader,
	"GET /projections/{name}/documents":                     rest.Reader,
	"POST /topics":                                          rest.Admin,
	"DELETE /topics/{topic}":                                rest.Admin,
	"POST /topics/{topic}/subscribe":                        rest.Admin,
	"POST /topics/{topic}/subscriptions":                    rest.Admin,
	"DELETE /topics/{topic}/subscriptions/{id}":             rest.Admin,
	"POST /topics/{topic}/subscriptions/{id}/redrive":       rest.Admin,
	"POST /topics/{topic}/subscriptions/{id}/rewind":        rest.Admin,
	"POST /topics/{topic}/subscriptions/{id}/pause":         rest.Admin,
	"POST /topics/{topic}/subscriptions/{id}/resume":        rest.Admin,
	"POST /topics/{topic}/subscriptions/{id}/rotate-secret": rest.Admin,
	"PUT /projections/{name}":                               rest.Admin,
	"DELETE /projections/{name}":                            rest.Admin,
	"POST /projections/{name}/try":                          rest.Admin,
	"POST /projections/{name}/skip":                         rest.Admin,
	"POST /projections/{name}/rebuild":                      rest.Admin,
	"POST /projections/{name}/rollback":                     rest.Admin,
	"POST /projections/{name}/pause":                        rest.Admin,
	"POST /projections/{name}/resume":                       rest.Admin,
}

func TestEveryRoutesRightIsWrittenDown(t *testing.T) {
	t.Parallel()
	for _, route := range rest.Routes() {
		role, known := rights[route.Method+" "+route.Pattern]
		require.True(t, known, "nobody has said who may %s %s", route.Method, route.Pattern)
		require.Equal(t, role, route.Role, "%s %s", route.Method, route.Pattern)
	}
	require.Len(t, rights, len(rest.Routes()))
}

// callers are who asks: their grants, as EVENTSTORE_KEYS and Entra's roles spell them. Who has none is not known.
var callers = [][]string{
	nil,
	{"reader"}, {"publisher"}, {"admin"}, {"publisher", "reader"},
	{"reader:orders-*"}, {"publisher:orders-*"}, {"admin:orders-*"},
	{"reader:payments"}, {"reader:*-eu", "publisher:payments"},
}

// fits are the topics that the callers' patterns are for.
var fits = map[string][]string{
	"orders-*": {"orders-eu", "orders-us"}, "payments": {"payments"}, "*-eu": {"orders-eu"},
}

// may is what grants ought to open, worked out another way than the server does.
func may(grants []string, role rest.Role, topic string) bool {
	return role == rest.Open || slices.ContainsFunc(grants, func(grant string) bool {
		name, pattern, narrowed := strings.Cut(grant, ":")
		return (!narrowed || slices.Contains(fits[pattern], topic)) && (name == "admin" || rest.Role(name) == role)
	})
}

func TestEachRoleMayDoWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]struct {
		configure func(c *rest.Config)
		headers   func(grants []string) []string
	}{
		"by key": {func(c *rest.Config) { c.Keys = keysOf(callers) }, func(grants []string) []string {
			return []string{"x-functions-key", secretOf(grants)}
		}},
		"by Entra's roles": {func(c *rest.Config) { c.UnderHost, c.Entra = true, true }, func(grants []string) []string {
			return []string{"X-MS-CLIENT-PRINCIPAL", principalOf("aad", grants...)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			for _, topic := range []string{"orders-eu", "orders-us", "payments"} {
				a.withTopic(topic).publishes(topic, `{"type":"T"}`)
			}
			how.configure(&a.config)
			a.handler = rest.New(a.config)
			for _, route := range rest.Routes() {
				for _, topic := range topicsOf(route) {
					for _, grants := range callers {
						a.tries(route, topic, grants, how.headers(grants))
						if route.Method == "DELETE" && route.Pattern == "/topics/{topic}" && may(grants, route.Role, topic) {
							a.do("POST", "/topics", `{"name":"`+topic+`"}`, append(how.headers([]string{"admin"}), "Content-Type", "application/json")...).is(201)
						}
					}
				}
			}
			require.False(t, strings.Contains(a.log.String(), "secret of"), "the log holds a key")
		})
	}
}

// Metrics are served in local mode alone, where a configuration has them.
func TestMetricsAreForReadersOfAll(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.config.Keys = keysOf(callers)
	a.config.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	a.handler = rest.New(a.config)
	for _, grants := range callers {
		got := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/metrics", nil)
		request.Header.Set("x-functions-key", secretOf(grants))
		a.handler.ServeHTTP(got, request)
		want := map[bool]int{true: 204, false: 403}[may(grants, rest.Reader, "")]
		if grants == nil {
			want = 401
		}
		require.Equal(t, want, got.Code, "%v", grants)
	}
}

// tries sends a request that is wrong in every way but its right, and checks whether that was enough.
func (a *api) tries(route rest.Route, topic string, grants, headers []string) {
	a.t.Helper()
	request := httptest.NewRequestWithContext(a.t.Context(), route.Method, "http://localhost"+pathOf(route, topic), strings.NewReader("{"))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	request.Header.Set("Content-Type", "application/json")
	got := httptest.NewRecorder() // and not held against openapi.json, which takes as long as all the rest
	a.handler.ServeHTTP(got, request)
	what := fmt.Sprintf("%s %s of %q by %v: %s", route.Method, route.Pattern, topic, grants, got.Body)
	switch {
	case may(grants, route.Role, topic):
		require.NotContains(a.t, []int{401, 403}, got.Code, what)
	case grants == nil:
		require.Equal(a.t, 401, got.Code, what)
		require.Contains(a.t, got.Body.String(), `"code":"unauthorized"`)
		require.NotEmpty(a.t, got.Header().Get("WWW-Authenticate"))
	default:
		require.Equal(a.t, 403, got.Code, what)
		require.Contains(a.t, got.Body.String(), `"code":"forbidden"`)
	}
}

// topicsOf are the topics to try a route with; "" for one without.
func topicsOf(route rest.Route) []string {
	if strings.Contains(route.Pattern, "{topic}") {
		return []string{"orders-eu", "orders-us", "payments"}
	}
	return []string{""}
}

func pathOf(route rest.Route, topic string) string {
	return strings.NewReplacer("{topic}", topic, "{position}", "1", "{id}", "none", "{name}", "none", "{code}", "forbidden", "{$}", "").Replace(route.Pattern)
}

func keysOf(callers [][]string) (keys []rest.Key) {
	for _, grants := range callers {
		for _, text := range grants {
			grant, err := rest.ParseGrant(text)
			if err != nil {
				panic(err)
			}
			keys = append(keys, rest.Key{Grant: grant, Secret: secretOf(grants)})
		}
	}
	return keys
}

func secretOf(grants []string) string { return "secret of " + strings.Join(grants, " ") }
