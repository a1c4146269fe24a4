package rest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

func TestAPublishIsAnsweredWithItsPlaces(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	got := a.post("/topics/orders/events", `{"id":"a","type":"T"}`).is(201)
	require.Equal(t, `{"topic":"orders","first":1,"last":1,"head":1,"events":[{"id":"a","position":1}]}`+"\n", got.body)
	require.Equal(t, "/topics/orders/events/1", got.header.Get("Location"))
	require.Equal(t, `"1"`, got.header.Get("ETag"))

	got = a.post("/topics/orders/events", `[{"id":"b","type":"T"},{"id":"a","type":"T"},{"id":"c","type":"T"}]`).is(201)
	require.Equal(t, `{"topic":"orders","first":1,"last":3,"head":3,"events":[{"id":"b","position":2},{"id":"a","position":1,"duplicate":true},{"id":"c","position":3}]}`+"\n", got.body)

	got = a.post("/topics/orders/events", `{"events":[{"id":"a","type":"T"}]}`).is(200)
	require.Equal(t, `{"topic":"orders","first":1,"last":1,"head":3,"events":[{"id":"a","position":1,"duplicate":true}]}`+"\n", got.body)
	require.Equal(t, `"3"`, got.header.Get("ETag"))
}

func TestDataComesBackByteForByte(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	a.publishes("orders", `{"id":"a","type":"T","data":{ "z": 1.50, "a": 12345678901234567890, "e": "\u00e9\/é\u0000", "n": null } }`)
	got := a.get("/topics/orders/events/1").is(200)
	require.Contains(t, got.body, `"data":{"z":1.50,"a":12345678901234567890,"e":"\u00e9\/é\u0000","n":null}`)
	page := a.get("/topics/orders/events").is(200)
	require.Contains(t, page.body, `"events":[`+got.body+`]`, "the same bytes alone and in a page")
	lines := a.get("/topics/orders/events", "Accept", "application/x-ndjson").is(200)
	require.Equal(t, got.body+"\n", lines.body)
}

func TestConditions(t *testing.T) {
	t.Parallel()
	type header = [2]string
	for _, tt := range []struct {
		name   string
		header header
		body   string
		status int
		extra  map[string]float64
	}{
		{"the head is as wanted", header{"If-Match", `"2"`}, `{"type":"T"}`, 201, nil},
		{"the head is another", header{"If-Match", `"1"`}, `{"type":"T"}`, 412, map[string]float64{"head": 2}},
		{"the topic is not empty", header{"If-None-Match", `*`}, `{"type":"T"}`, 412, map[string]float64{"head": 2}},
		{"an event matches", header{}, `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{"subjects":["s1"]}]}}`, 412, map[string]float64{"head": 2, "position": 1}},
		{"the event that matches lies before after", header{}, `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{"subjects":["s1"]}],"after":1}}`, 201, nil},
		{"no event has all tags", header{}, `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{"tags":["x","z"]}]}}`, 201, nil},
		{"an event has all tags", header{}, `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{"types":["none"]},{"tags":["y","x"]}]}}`, 412, map[string]float64{"head": 2, "position": 2}},
		{"the head and the events together", header{"If-Match", `"2"`}, `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{"subjects":["s1"]}]}}`, 412, map[string]float64{"head": 2, "position": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t).withTopic("orders").publishes("orders", `[{"type":"T","subject":"s1"},{"type":"T","tags":["x","y"]}]`)
			headers := []string{}
			if tt.header[0] != "" {
				headers = tt.header[:]
			}
			got := a.post("/topics/orders/events", tt.body, headers...)
			if tt.status == 201 {
				got.is(201)
				return
			}
			members := got.problem(tt.status, "condition-failed")
			for name, value := range tt.extra {
				require.Equal(t, value, members[name], name)
			}
			require.Equal(t, `"2"`, a.do("HEAD", "/topics/orders/events", "").header.Get("ETag"), "nothing was stored")
		})
	}
}

func TestAnEmptyTopicMayBeRequired(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	a.post("/topics/orders/events", `{"id":"a","type":"T"}`, "If-None-Match", "*").is(201)
	a.post("/topics/orders/events", `{"id":"a","type":"T"}`, "If-None-Match", "*").is(200) // repeated, so it is answered as it was
	a.post("/topics/orders/events", `{"id":"b","type":"T"}`, "If-None-Match", "*").problem(412, "condition-failed")
}

func TestAnIDOfOtherContentIsAConflict(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `[{"type":"T"},{"id":"a","type":"T","data":1}]`)
	require.Equal(t, 2.0, a.post("/topics/orders/events", `[{"type":"T"},{"id":"a","type":"T","data":2}]`).problem(409, "id-conflict")["position"])
	members := a.post("/topics/orders/events", `[{"id":"b","type":"T"},{"id":"b","type":"U"}]`).problem(409, "id-conflict")
	require.NotContains(t, members, "position")
	require.Equal(t, `"2"`, a.do("HEAD", "/topics/orders/events", "").header.Get("ETag"))
}

func TestPlacesAreNamedAsTheBodyHasThem(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	for _, tt := range []struct{ name, body, detail string }{
		{"one event", `{"type":"a\u0000"}`, `type: "a\x00" has a control character`},
		{"an array", `[{"type":"T"},{"type":"a\u0000"}]`, `events[1].type: "a\x00" has a control character`},
		{"an envelope", `{"events":[{"type":"T","tags":["a,b"]}]}`, `events[0].tags[0]: "a,b" has a comma`},
		{"a condition's tag", `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{},{"tags":["a","b,c"]}]}}`, `condition.failIfMatch[1].tags[1]: "b,c" has a comma`},
		{"a condition's subject", `{"events":[{"type":"T"}],"condition":{"failIfMatch":[{"subjects":["a\u0000"]}]}}`, `condition.failIfMatch[0].subjects[0]: "a\x00" has a control character`},
		{"metadata", `{"type":"T","metadata":{"hash":"x"}}`, `metadata.hash: is a name that the store or CloudEvents uses itself`},
	} {
		members := a.post("/topics/orders/events", tt.body).problem(400, "invalid-request")
		require.Equal(t, tt.detail, members["detail"], tt.name)
	}
}

func TestABodyThatBreaksOffStoresNothing(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	for _, contentType := range []string{"application/json", "application/cloudevents+json", "application/x-ndjson"} {
		cut := io.MultiReader(strings.NewReader(`{"specversion":"1.0","type":"T","id":"a","source":"/s"`), iotest.ErrReader(io.ErrUnexpectedEOF))
		request := httptest.NewRequest("POST", "http://localhost/topics/orders/events", cut)
		request.Header.Set("Content-Type", contentType)
		a.send(request, "").problem(400, "invalid-request")
	}
	require.Equal(t, `"0"`, a.do("HEAD", "/topics/orders/events", "").header.Get("ETag"))
}

func TestAnImportAppendsEachLine(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"id":"a","type":"T"}`)
	got := a.post("/topics/orders/events", "{\"id\":\"b\",\"type\":\"T\"}\r\n\n  \n{\"id\":\"a\",\"type\":\"T\"}\n{\"id\":\"c\",\"type\":\"T\"}", "Content-Type", "application/x-ndjson").is(201)
	require.Equal(t, `{"topic":"orders","first":1,"last":3,"head":3,"stored":2,"duplicates":1}`+"\n", got.body)
	got = a.post("/topics/orders/events", "{\"id\":\"a\",\"type\":\"T\"}\n", "Content-Type", "application/x-ndjson; charset=utf-8").is(200)
	require.Equal(t, `{"topic":"orders","first":1,"last":1,"head":3,"stored":0,"duplicates":1}`+"\n", got.body)
}

func TestAnImportNamesTheLineThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, code, detail string
		status                   int
		line, stored             float64
	}{
		{"a broken line", "{\"type\":\"T\"}\n{\"type\":\"T\"}\n{\"type\":}\n", "invalid-request", "line 3: type: ", 400, 3, 2},
		{"a wrong field behind empty lines", "\n\n{\"type\":\"T\"}\n\n{\"tpe\":\"T\"}\n", "invalid-request", "line 5: tpe: is not a field of an event", 400, 5, 1},
		{"an event that is too large", "{\"type\":\"T\"}\n{\"type\":\"T\",\"data\":\"" + strings.Repeat("x", core.MaxEventSize) + "\"}\n", "too-large", "line 2: ", 413, 2, 1},
		{"a line that is too long", "{\"type\":\"T\"}\n{\"type\":\"T\"" + strings.Repeat(" ", core.MaxRequestSize) + "}\n", "too-large", "line 2: a line of more than", 413, 2, 1},
		{"an id with other content", "{\"id\":\"a\",\"type\":\"T\"}\n{\"id\":\"a\",\"type\":\"U\"}\n", "id-conflict", `line 2: id: "a" is the id of the event at position 1,`, 409, 2, 1},
		{"an id with other content behind empty lines", "{\"id\":\"b\",\"type\":\"T\"}\n\n{\"id\":\"a\",\"type\":\"T\"}\n\n{\"id\":\"a\",\"type\":\"U\"}\n",
			"id-conflict", `line 5: id: "a" is the id of the event at position 2,`, 409, 5, 2},
		{"a value that no event may have", "{\"type\":\"T\"}\n{\"type\":\"T\",\"tags\":[\"a,b\"]}\n", "invalid-request", "line 2: tags[0]: ", 400, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t).withTopic("orders")
			members := a.post("/topics/orders/events", tt.body, "Content-Type", "application/x-ndjson").problem(tt.status, tt.code)
			require.Contains(t, members["detail"], tt.detail)
			require.Equal(t, tt.line, members["line"])
			require.Equal(t, tt.stored, members["stored"])
			require.Equal(t, fmt.Sprintf(`"%v"`, tt.stored), a.do("HEAD", "/topics/orders/events", "").header.Get("ETag"))
		})
	}
}

func TestAnImportThatIsCutKeepsWholeLinesAlone(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	body := io.MultiReader(strings.NewReader("{\"type\":\"T\"}\n{\"type\":\"T\"}"), iotest.ErrReader(errors.New("connection reset")))
	request := httptest.NewRequest("POST", "http://localhost/topics/orders/events", body)
	request.Header.Set("Content-Type", "application/x-ndjson")
	members := a.send(request, "").problem(400, "invalid-request")
	require.Equal(t, 2.0, members["line"])
	require.Equal(t, 1.0, members["stored"])
}
