package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/webhook"
	"eventstore/core"
	"eventstore/core/subscribers"
	"eventstore/core/topics"
	"eventstore/handler/rest"
)

// newSubscriptions serves callbacks anywhere, with attempts that all come within a test.
func newSubscriptions(t *testing.T, registry *topics.Registry, documents core.Documents) *subscribers.Service {
	return subscriptionsWith(t, registry, documents, webhook.Any)
}

func subscriptionsWith(t *testing.T, registry *topics.Registry, documents core.Documents, policy webhook.Policy) *subscribers.Service {
	t.Helper()
	s := subscribers.New(subscribers.Config{Documents: documents, Sender: webhook.New(webhook.Config{Policy: policy}),
		Retry: subscribers.Ladder{0, 5 * time.Millisecond}, Linger: time.Second,
		Open: func(ctx context.Context, topic string) (core.Log, error) {
			opened, err := registry.Open(ctx, topic)
			if err != nil {
				return nil, err
			}
			return opened.Log, nil
		}})
	t.Cleanup(s.Close)
	return s
}

// callback serves a receiver that answers with what status says.
func callback(t *testing.T, status *atomic.Int64) (url string, deliveries *atomic.Int64) {
	t.Helper()
	deliveries = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			deliveries.Add(1)
		}
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(server.Close)
	return server.URL, deliveries
}

// objectOf is an answer's JSON object.
func objectOf(a answer) map[string]any {
	a.t.Helper()
	members := map[string]any{}
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &members), a.body)
	return members
}

func TestTheLifeOfASubscription(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `[{"type":"T","subject":"a"},{"type":"T"},{"type":"U"}]`)
	status := new(atomic.Int64)
	status.Store(204)
	url, deliveries := callback(t, status)
	body := `{"callback":"` + url + `/hook?key=s3cret","types":["T"],"batch":1,"ttl":"1h","name":"mine"}`
	made := a.post("/topics/orders/subscribe?from=1", body).is(201)
	id := objectOf(made)["id"].(string)
	require.Equal(t, "/topics/orders/subscriptions/"+id, made.header.Get("Location"))
	require.Regexp(t, `^whsec_`, objectOf(made)["secret"])
	require.EqualValues(t, 1, objectOf(made)["next"])
	require.Equal(t, false, objectOf(made)["verified"])

	again := a.post("/topics/orders/subscriptions", strings.Replace(body, `"1h"`, `"2h"`, 1)).is(200)
	require.Equal(t, id, objectOf(again)["id"])
	require.NotContains(t, again.body, "whsec_")
	require.Greater(t, objectOf(again)["expires"].(string), objectOf(made)["expires"].(string))

	require.NoError(t, a.config.Subscriptions.Deliver(t.Context()))
	require.EqualValues(t, 2, deliveries.Load())
	path := "/topics/orders/subscriptions/" + id
	seen := a.get(path).is(200)
	require.NotContains(t, seen.body, "s3cret")
	require.Equal(t, url+"/hook?***", objectOf(seen)["callback"])
	require.Equal(t, "whsec_***", objectOf(seen)["secret"])
	require.Equal(t, "active", objectOf(seen)["state"])
	require.EqualValues(t, 2, objectOf(seen)["delivered"])
	require.Equal(t, "1h0m0s", objectOf(seen)["ttl"])
	require.Contains(t, a.get("/topics/orders/subscriptions").is(200).body, id)

	status.Store(500)
	a.publishes("orders", `[{"type":"T","subject":"a"},{"type":"T","subject":"a"}]`)
	require.NoError(t, a.config.Subscriptions.Deliver(t.Context()))
	seen = a.get(path).is(200)
	require.Equal(t, "parked", objectOf(seen)["state"])
	require.EqualValues(t, 2, objectOf(seen)["parked"])
	require.Equal(t, "answered 500 Internal Server Error", objectOf(seen)["lastError"])
	require.Contains(t, a.get(path+"/parked").is(200).body, `"positions":[4,5]`)
	health := a.get("/health").is(200)
	require.Equal(t, "degraded", objectOf(health)["status"])
	require.Contains(t, health.body, "subscription:orders/"+id)

	status.Store(200)
	require.Equal(t, "paused", objectOf(a.post(path+"/pause", "").is(200))["state"])
	a.post(path+"/resume", "").is(200)
	a.post(path+"/redrive", "").is(200)
	require.NoError(t, a.config.Subscriptions.Deliver(t.Context()))
	require.EqualValues(t, 4, objectOf(a.get(path).is(200))["delivered"])
	a.post(path+"/rewind", `{"from":2}`).is(200)
	require.NoError(t, a.config.Subscriptions.Deliver(t.Context()))
	require.EqualValues(t, 7, objectOf(a.get(path).is(200))["delivered"])
	secret := objectOf(a.post(path+"/rotate-secret", "").is(200))["secret"]
	require.NotEqual(t, objectOf(made)["secret"], secret)
	a.do("DELETE", path, "").is(204)
	for _, gone := range []answer{a.get(path), a.get(path + "/parked"), a.do("DELETE", path, ""), a.post(path+"/pause", ""),
		a.post(path+"/rewind", `{"from":1}`), a.post(path+"/rotate-secret", "")} {
		gone.problem(404, "subscription-not-found")
	}
	require.Equal(t, `{"subscriptions":[]}`+"\n", a.get("/topics/orders/subscriptions").is(200).body)
}

func TestSubscriptionsAreListedInPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").withTopic("orders-2")
	status := new(atomic.Int64)
	status.Store(204)
	url, _ := callback(t, status)
	a.post("/topics/orders-2/subscribe", `{"callback":"`+url+`"}`).is(201)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		a.post("/topics/orders/subscribe", `{"callback":"`+url+`","name":"`+name+`"}`).is(201)
	}
	seen, path := map[string]bool{}, "/topics/orders/subscriptions?limit=2"
	for after := ""; ; {
		page := a.get(path + after).is(200)
		for _, s := range objectOf(page)["subscriptions"].([]any) {
			seen[s.(map[string]any)["name"].(string)] = true
		}
		next, more := objectOf(page)["next"]
		if !more {
			break
		}
		after = "&after=" + next.(string)
	}
	require.Len(t, seen, 5)
}

func TestWhatIsNoSubscription(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	for body, place := range map[string]string{
		`{}`:                  "callback",
		`{"callback":""}`:     "callback",
		`{"callback":"hook"}`: "callback",
		`{"callback":"http://user:pw@127.0.0.1/"}`:                                     "callback",
		`{"callback":"http://127.0.0.1/#x"}`:                                           "callback",
		`{"callback":"ftp://127.0.0.1/"}`:                                              "callback",
		`{"callback":7}`:                                                               "callback",
		`{"callback":"http://127.0.0.1/","ttl":"59s"}`:                                 "ttl",
		`{"callback":"http://127.0.0.1/","ttl":"2161h"}`:                               "ttl",
		`{"callback":"http://127.0.0.1/","ttl":"1 day"}`:                               "ttl",
		`{"callback":"http://127.0.0.1/","batch":0}`:                                   "batch",
		`{"callback":"http://127.0.0.1/","batch":1001}`:                                "batch",
		`{"callback":"http://127.0.0.1/","batch":1.5}`:                                 "batch",
		`{"callback":"http://127.0.0.1/","secret":"whsec_c2hvcnQ="}`:                   "secret",
		`{"callback":"http://127.0.0.1/","secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`: "secret",
		`{"callback":"http://127.0.0.1/","types":[""]}`:                                "types[0]",
		`{"callback":"http://127.0.0.1/","tags":["a","b,c"]}`:                          `tags[1]: "b,c" has a comma`,
		`{"callback":"http://127.0.0.1/","subjects":["a\u0007"]}`:                      "subjects[0]",
		`{"callback":"http://127.0.0.1/","types":"T"}`:                                 "types",
		`{"callback":"http://127.0.0.1/","from":1}`:                                    "from",
		`{"callback":"http://127.0.0.1/","name":"` + strings.Repeat("x", 101) + `"}`:   "name",
	} {
		p := a.post("/topics/orders/subscribe", body).problem(400, "invalid-request")
		require.Contains(t, p["detail"], place, body)
		require.NotContains(t, p["detail"], "user:pw")
	}
	a.post("/topics/orders/subscribe?from=0", `{"callback":"http://127.0.0.1/"}`).problem(400, "invalid-request")
	a.post("/topics/orders/subscribe?since=1", `{"callback":"http://127.0.0.1/"}`).problem(400, "invalid-request")
	a.post("/topics/none/subscribe", `{"callback":"http://127.0.0.1/"}`).problem(404, "topic-not-found")
	a.get("/topics/none/subscriptions").problem(404, "topic-not-found")
	a.get("/topics/orders/subscriptions/none").problem(404, "subscription-not-found")
	a.post("/topics/orders/subscriptions/none/rewind", `{}`).problem(400, "invalid-request")
	a.post("/topics/orders/subscriptions/none/explode", ``).problem(404, "route-not-found")
}

func TestACallbackThatThePolicyForbids(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.Subscriptions = subscriptionsWith(t, c.Topics, c.Documents, webhook.Public) }).withTopic("orders")
	for _, bad := range []string{"http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/", "https://168.63.129.16/",
		"https://[::1]/", "https://2130706433/", "https://10.0.0.1/", "https://example.com:22/"} {
		p := a.post("/topics/orders/subscribe", `{"callback":"`+bad+`"}`).problem(400, "callback-refused")
		require.NotContains(t, p["detail"], "127.0.0.1")
	}
	require.Equal(t, `{"subscriptions":[]}`+"\n", a.get("/topics/orders/subscriptions").is(200).body)
}
