package rest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

func TestAKeyInTheQueryIsTakenWhereNoneIsInTheHeader(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.Keys = []rest.Key{{Grant: rest.Grant{Role: rest.Reader}, Secret: "a+b"}} })
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
