package rest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/javascript"
	"eventstore/core"
	"eventstore/core/projections"
	"eventstore/core/topics"
	"eventstore/handler/trigger"
)

// newProjections makes the projections of an API, whose source is JavaScript.
func newProjections(t *testing.T, registry *topics.Registry, documents core.Documents) *projections.Projections {
	t.Helper()
	p := projections.New(projections.Config{Topics: registry, Documents: documents, Grace: time.Nanosecond,
		Compile: func(ctx context.Context, source string) (projections.Program, error) {
			return javascript.Compile(ctx, source)
		},
		ParseSchedule: func(text string) (projections.Schedule, error) { return trigger.ParseSchedule(text) }})
	t.Cleanup(p.Close)
	return p
}

const totals = `({
  key: e => e.subject ?? null,
  on: {
    Placed: (doc, e) => ({ status: "placed", total: e.data.total }),
    Shipped: (doc, e) => ({ ...doc, status: "shipped" }),
    Purged: () => null,
    Poison: () => { throw new Error("no") },
  },
})`

func definition(t *testing.T, source string, more ...string) string {
	t.Helper()
	text, err := json.Marshal(source)
	require.NoError(t, err)
	return `{"topics":["orders"],"source":` + string(text) + strings.Join(append([]string{""}, more...), ",") + `}`
}

func (a *api) put(path, body string) answer {
	a.t.Helper()
	return a.do("PUT", path, body, "Content-Type", "application/json")
}

// withProjection has the topic orders, and a projection of it.
func withProjection(t *testing.T) *api {
	t.Helper()
	a := newAPI(t).withTopic("orders")
	a.put("/projections/totals", definition(t, totals)).is(201)
	return a
}

func (a *api) place(subject string, total int) *api {
	a.publishes("orders", fmt.Sprintf(`{"type":"Placed","subject":%q,"data":{"total":%d}}`, subject, total))
	return a
}

const docs = "/projections/totals/documents"

func TestADocumentIsReadByItsKey(t *testing.T) {
	t.Parallel()
	a := withProjection(t).place("order/1", 7)
	got := a.get(docs + "?key=order%2F1&at-least=1").is(200)
	require.JSONEq(t, `{"status":"placed","total":7}`, got.body)
	require.Equal(t, "orders:1", got.header.Get("Projection-Position"))
	a.get(docs+"?key=order%2F1", "If-None-Match", got.header.Get("ETag")).is(304)
	a.publishes("orders", `{"type":"Shipped","subject":"order/1"}`)
	again := a.get(docs+"?key=order%2F1&at-least=orders:2", "If-None-Match", got.header.Get("ETag")).is(200)
	require.JSONEq(t, `{"status":"shipped","total":7}`, again.body)
	a.publishes("orders", `{"type":"Purged","subject":"order/1"}`)
	gone := a.get(docs + "?key=order%2F1&at-least=3")
	gone.problem(404, "document-not-found")
	require.Equal(t, "orders:3", gone.header.Get("Projection-Position"), "what is not there is not there as of a position")
	a.get("/projections/none/documents?key=a").problem(404, "projection-not-found")
}

func TestDocumentsAreReadInPages(t *testing.T) {
	t.Parallel()
	a := withProjection(t)
	for i := range 5 {
		a.place(fmt.Sprintf("order-%d", i), i)
	}
	first := a.get(docs + "?limit=2&prefix=order-&at-least=5").is(200)
	var page struct {
		Documents []jsontext.Value `json:"documents"`
		Next      string           `json:"next"`
	}
	require.NoError(t, json.Unmarshal([]byte(first.body), &page))
	require.Len(t, page.Documents, 2)
	require.Equal(t, "orders:5", first.header.Get("Projection-Position"))
	second := a.get(docs + "?limit=10&prefix=order-&after=" + page.Next).is(200)
	require.Contains(t, second.body, `"order-4"`)
	require.NotContains(t, second.body, `"next"`)
	a.do("DELETE", "/projections/totals", "").is(204)
	a.put("/projections/totals", definition(t, totals)).is(201)
	a.get(docs+"?after="+page.Next).problem(410, "page-expired")
}

func TestAProjectionThatIsBehindSaysSo(t *testing.T) {
	t.Parallel()
	a := withProjection(t).place("a", 1)
	got := a.get(docs + "?key=a&at-least=3")
	require.EqualValues(t, 1, got.problem(504, "projection-behind")["position"])
	require.Equal(t, "orders:1", got.header.Get("Projection-Position"))
	a.post("/projections/totals/pause", "").is(200)
	a.place("b", 1)
	a.get(docs+"?key=b&at-least=2&wait=1").problem(504, "projection-behind")
	require.NotContains(t, a.log.String(), `"level":"ERROR"`, "nobody is at fault")
	a.post("/projections/totals/resume", "{}").is(200)
	a.get(docs + "?key=b&at-least=2").is(200)
}

func TestWhatIsWrongWithADefinitionIsTold(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"Poison","subject":"a"}`)
	problem := a.put("/projections/totals", definition(t, "({\n  key: e => e.subject,\n  on: { A: = }\n})")).problem(400, "invalid-projection")
	require.EqualValues(t, 3, problem["line"])
	require.EqualValues(t, 12, problem["column"])
	for name, tt := range map[string]struct{ body, code, says string }{
		"no topics":              {`{"source":"({})"}`, "invalid-projection", "topics"},
		"an unknown topic":       {strings.Replace(definition(t, totals), `"orders"`, `"none"`, 1), "invalid-projection", `topics[0]: there is no topic "none"`},
		"a wrong topic":          {strings.Replace(definition(t, totals), `"orders"`, `"A B"`, 1), "invalid-projection", "topics[0]"},
		"neither code":           {`{"topics":["orders"]}`, "invalid-projection", "either a source"},
		"both codes":             {definition(t, totals, `"handler":"x"`), "invalid-projection", "either a source"},
		"an unknown handler":     {`{"topics":["orders"],"handler":"x"}`, "invalid-projection", `no handler "x"`},
		"a wrong schedule":       {definition(t, totals, `"rebuild":{"schedule":"0 3 * * *"}`), "invalid-projection", "six"},
		"an unknown field":       {definition(t, totals, `"sorce":"x"`), "invalid-request", "sorce"},
		"what its events refuse": {definition(t, totals), "invalid-projection", `position 1 of the topic "orders": Error: no`},
	} {
		detail := a.put("/projections/totals", tt.body).problem(400, tt.code)["detail"]
		require.Contains(t, detail, tt.says, name)
	}
	a.put("/projections/A%20B", definition(t, "({key: e => null, on: {X: () => ({})}})")).problem(400, "invalid-projection")
	a.get("/projections/totals").problem(404, "projection-not-found")
}

func TestATryChangesNothing(t *testing.T) {
	t.Parallel()
	a := withProjection(t).place("order-1", 3).place("order-2", 4)
	text, err := json.Marshal(totals)
	require.NoError(t, err)
	got := a.post("/projections/none/try", `{"source":`+string(text)+`,"events":[{"type":"Placed","subject":"b","data":{"total":1}},{"type":"Shipped","subject":"b"},{"type":"Placed","subject":"a","data":{"total":2}}]}`).is(200)
	require.JSONEq(t, `{"documents":[{"key":"a","value":{"status":"placed","total":2}},{"key":"b","value":{"status":"shipped","total":1}}]}`, got.body)
	got = a.post("/projections/totals/try", `{"topic":"orders","last":1}`).is(200)
	require.JSONEq(t, `{"documents":[{"key":"order-2","value":{"status":"placed","total":4}}]}`, got.body)
	detail := a.post("/projections/totals/try", `{"events":[{"type":"Placed","subject":"b","data":{"total":1}},{"type":"Poison","subject":"b"}]}`).problem(400, "invalid-projection")["detail"]
	require.Contains(t, detail, "position 2: Error: no")
	a.post("/projections/totals/try", `{"events":[{"type":"T"}],"topic":"orders"}`).problem(400, "invalid-request")
	a.post("/projections/none/try", `{"topic":"orders"}`).problem(404, "projection-not-found")
	require.Contains(t, a.get("/projections/totals").is(200).body, `"position":0`)
}

func TestAFailingEventIsTriedAgainUntilItIsSkipped(t *testing.T) {
	t.Parallel()
	a := withProjection(t).place("a", 1)
	a.publishes("orders", `{"type":"Poison","subject":"a"}`).place("a", 2)
	a.get(docs+"?key=a&at-least=3").problem(504, "projection-behind")
	got := a.get("/projections/totals").is(200)
	require.Contains(t, got.body, `"state":"failed"`)
	require.Contains(t, got.body, `"position":2`)
	a.post("/projections/totals/skip", `{"topic":"orders","position":1}`).problem(400, "invalid-request")
	a.post("/projections/totals/skip", `{"topic":"orders","position":2}`).is(200)
	require.JSONEq(t, `{"status":"placed","total":2}`, a.get(docs+"?key=a&at-least=3").is(200).body)
	require.Contains(t, a.get("/projections/totals").is(200).body, `"skipped":[{"`)
}

func TestRebuildAndRollback(t *testing.T) {
	t.Parallel()
	a := withProjection(t).place("a", 1)
	a.get(docs + "?key=a&at-least=1").is(200)
	a.post("/projections/totals/rollback", `{"to":1}`).problem(400, "invalid-request")
	require.Contains(t, a.post("/projections/totals/rebuild", "").is(202).body, `"state":"rebuilding"`)
	require.NoError(t, a.config.Projections.Rebuilds(t.Context()))
	status := a.get("/projections/totals").is(200)
	require.Contains(t, status.body, `"version":2`)
	require.Contains(t, status.body, `"documents":1`)
	a.post("/projections/totals/rollback", `{"to":1}`).is(200)
	require.Contains(t, a.get("/projections/totals").is(200).body, `"version":1`)
	require.JSONEq(t, `{"status":"placed","total":1}`, a.get(docs+"?key=a").is(200).body)
}

func TestWhatIsWrongWithARequestForDocumentsIsTold(t *testing.T) {
	t.Parallel()
	a := withProjection(t)
	for _, query := range []string{"key=a&limit=1", "key=a&prefix=b", "limit=0", "limit=1001", "after=x", "at-least=x", "at-least=-1", "at-least=1,2", "at-least=orders:1,orders:2",
		"at-least=other:1", "at-least=:1", "wait=61", "at-least=1&wait=x", "keys=a", "key="} {
		a.get(docs+"?"+query).problem(400, "invalid-request")
	}
	require.Equal(t, []byte(`{"projections":[]}`), []byte(strings.TrimSpace(newAPI(t).get("/projections").is(200).body)))
	require.Contains(t, a.get("/projections?limit=1").is(200).body, `"name":"totals"`)
	a.post("/projections/totals/pause", `{"a":1}`).problem(400, "invalid-request")
	a.post("/projections/none/pause", ``).problem(404, "projection-not-found")
	a.do("DELETE", "/projections/none", "").problem(404, "projection-not-found")
}
