package rest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRegisteringATopic(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := a.post("/topics", `{"name":"orders","description":"all orders"}`).is(201)
	require.Equal(t, `{"name":"orders","adapter":"memory","description":"all orders"}`+"\n", got.body)
	require.Equal(t, "/topics/orders", got.header.Get("Location"))

	same := a.post("/topics", `{"name":"orders","adapter":"memory","options":{},"description":"all orders"}`, "Content-Type", "application/json; charset=utf-8").is(200)
	require.Equal(t, got.body, same.body, "after defaults it is the same configuration")

	a.post("/topics", `{"name":"orders"}`).problem(409, "topic-exists")
	require.Equal(t, `{"topics":[`+got.body[:len(got.body)-1]+`]}`+"\n", a.get("/topics").is(200).body)
}

func TestATopicShowsItsHead(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", tenEvents())
	got := a.get("/topics/orders").is(200)
	require.Regexp(t, `^\{"name":"orders","adapter":"memory","head":10,"events":10,"firstRecorded":"20..-.*Z","lastRecorded":"20..-.*Z"\}`, got.body)
	require.Equal(t, `"10"`, got.header.Get("ETag"))
	a.get("/topics/none").problem(404, "topic-not-found")
}

func TestADeletedTopicIsGoneUntilItIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"T"}`)
	require.Empty(t, a.do("DELETE", "/topics/orders", "").is(204).body)
	a.do("DELETE", "/topics/orders", "").problem(404, "topic-not-found")
	a.get("/topics/orders").problem(404, "topic-not-found")
	a.get("/topics/orders/events").problem(404, "topic-not-found")
	a.get("/topics/orders/events", "Accept", "text/event-stream").problem(404, "topic-not-found")
	a.get("/topics/orders/events", "Accept", "application/x-ndjson").problem(404, "topic-not-found")
	a.post("/topics/orders/events", `{"type":"T"}`).problem(404, "topic-not-found")
	a.post("/topics/orders/events", `{"type":"T"}`, "Content-Type", "application/x-ndjson").problem(404, "topic-not-found")
	require.Equal(t, `{"topics":[]}`+"\n", a.get("/topics").body)
	a.post("/topics", `{"name":"orders","description":"another"}`).problem(409, "topic-exists")
	a.post("/topics", `{"name":"orders"}`).is(201)
}

func TestTopicsAreListedInPagesByName(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i := range 5 {
		a.withTopic(fmt.Sprintf("topic-%d", 4-i))
	}
	const config = `{"name":"topic-%d","adapter":"memory"}`
	require.Equal(t, fmt.Sprintf(`{"topics":[`+config+`,`+config+`],"next":"topic-1"}`+"\n", 0, 1), a.get("/topics?limit=2").is(200).body)
	require.Equal(t, fmt.Sprintf(`{"topics":[`+config+`,`+config+`],"next":"topic-3"}`+"\n", 2, 3), a.get("/topics?limit=2&after=topic-1").is(200).body)
	require.Equal(t, fmt.Sprintf(`{"topics":[`+config+`]}`+"\n", 4), a.get("/topics?limit=2&after=topic-3").is(200).body)
}
