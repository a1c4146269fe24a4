package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

func TestEachRoleMayDoWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"T"}`)
	a.config.Keys = []rest.Key{{Role: rest.Admin, Secret: "admin-secret"}, {Role: rest.Publisher, Secret: "publisher-secret"}, {Role: rest.Reader, Secret: "reader-secret"},
		{Role: rest.Publisher, Secret: "both-secret"}, {Role: rest.Reader, Secret: "both-secret"}, {Role: rest.Reader, Secret: "second-reader-secret"}}
	a.handler = rest.New(a.config)
	may := map[string]map[rest.Role]bool{
		"":                     {rest.Open: true},
		"wrong":                {rest.Open: true},
		"reader-secret":        {rest.Open: true, rest.Reader: true},
		"second-reader-secret": {rest.Open: true, rest.Reader: true},
		"publisher-secret":     {rest.Open: true, rest.Publisher: true},
		"both-secret":          {rest.Open: true, rest.Publisher: true, rest.Reader: true},
		"admin-secret":         {rest.Open: true, rest.Publisher: true, rest.Reader: true, rest.Admin: true},
	}
	for _, route := range rest.Routes() {
		for key, roles := range may {
			headers := []string{"Content-Type", "application/json"}
			if key != "" {
				headers = append(headers, "x-functions-key", key)
			}
			got := a.do(route.Method, pathOf(route), "{", headers...)
			switch {
			case roles[route.Role]:
				require.NotContains(t, []int{401, 403}, got.status, "%s %s with %q", route.Method, route.Pattern, key)
			case key == "" || key == "wrong":
				got.problem(401, "unauthorized")
				require.NotEmpty(t, got.header.Get("WWW-Authenticate"))
			default:
				got.problem(403, "forbidden")
			}
			if route.Method == "DELETE" && route.Pattern == "/topics/{topic}" && roles[route.Role] {
				a.do("POST", "/topics", `{"name":"orders"}`, "Content-Type", "application/json", "x-functions-key", "admin-secret").is(201)
			}
		}
	}
	for key := range may {
		if key != "" && key != "wrong" {
			require.False(t, strings.Contains(a.log.String(), key), "the log holds the key %q", key)
		}
	}
}

// pathOf is a path of a route, with what newAPI's tests have.
func pathOf(route rest.Route) string {
	switch route.Pattern {
	case "/topics/{topic}", "/topics/{topic}/events", "/topics/{topic}/query", "/topics/{topic}/verify":
		return "/topics/orders" + route.Pattern[len("/topics/{topic}"):]
	case "/topics/{topic}/events/{position}":
		return "/topics/orders/events/1"
	case "/problems/{code}":
		return "/problems/forbidden"
	case "/{$}":
		return "/"
	}
	return strings.NewReplacer("/{topic}/", "/orders/", "/{id}", "/none").Replace(route.Pattern)
}

func TestAKeyInTheQueryIsTakenWhereNoneIsInTheHeader(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.Keys = []rest.Key{{Role: rest.Reader, Secret: "a+b"}} })
	a.get("/topics?code=a%2Bb").is(200)
	a.get("/topics?code=wrong").problem(401, "unauthorized")
	a.get("/topics?code=a%2Bb", "x-functions-key", "wrong").problem(401, "unauthorized")
	a.get("/topics?code=wrong", "x-functions-key", "a+b").is(200)
	require.NotContains(t, a.log.String(), "a%2Bb")
}

func TestWithoutKeysEveryoneMayDoAll(t *testing.T) {
	t.Parallel()
	newAPI(t).withTopic("orders").do("DELETE", "/topics/orders", "", "x-functions-key", "whatever").is(204)
}

func TestALoopbackServerKeepsWebPagesAway(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.Loopback = true })
	for _, tt := range []struct {
		name, host string
		header     [2]string
		status     int
	}{
		{"this machine by name", "localhost:8080", [2]string{}, 201},
		{"a name of this machine", "store.localhost", [2]string{}, 201},
		{"this machine by address", "127.0.0.1:8080", [2]string{}, 201},
		{"this machine by its IPv6 address", "[::1]:8080", [2]string{}, 201},
		{"a page of this server", "localhost:8080", [2]string{"Sec-Fetch-Site", "same-origin"}, 201},
		{"a name that points here", "evil.example:8080", [2]string{}, 403},
		{"a name that looks like this machine's", "localhost.evil.example", [2]string{}, 403},
		{"another address", "192.168.0.1:8080", [2]string{}, 403},
		{"no name", "", [2]string{}, 403},
		{"a page of another site", "localhost:8080", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of another origin", "localhost:8080", [2]string{"Origin", "https://evil.example"}, 403},
	} {
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://localhost/topics", body(`{"name":"orders"}`))
		require.NoError(t, err)
		request.Host = tt.host
		request.Header.Set("Content-Type", "application/json")
		if tt.header[0] != "" {
			request.Header.Set(tt.header[0], tt.header[1])
		}
		got := a.send(request, `{"name":"orders"}`)
		if tt.status == 403 {
			got.problem(403, "forbidden")
			require.Equal(t, `{"topics":[]}`+"\n", a.get("/topics").body, tt.name)
			continue
		}
		got.is(201)
		a.do("DELETE", "/topics/orders", "").is(204)
	}
}
