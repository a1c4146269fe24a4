package rest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// page is a page as a client reads it.
type page struct {
	Topic  string `json:"topic"`
	Events []struct {
		Position int    `json:"position"`
		Type     string `json:"type"`
		Subject  string `json:"subject"`
		Recorded string `json:"recorded"`
	} `json:"events"`
	Next *int `json:"next"`
	Head int  `json:"head"`
}

func (a answer) page() (p page) {
	a.t.Helper()
	a.is(200)
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &p))
	return p
}

func (p page) positions() (positions []int) {
	for _, e := range p.Events {
		positions = append(positions, e.Position)
	}
	return positions
}

// tenEvents are of the types A and B in turn, of the subjects s0 to s2, and tagged t0 to t4 and odd or even.
func tenEvents() string {
	var events []string
	for i := range 10 {
		events = append(events, fmt.Sprintf(`{"type":"%c","subject":"s%d","tags":["t%d","%s"]}`, 'A'+i%2, i%3, i%5, []string{"even", "odd"}[i%2]))
	}
	return "[" + strings.Join(events, ",") + "]"
}

func TestQueries(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", tenEvents())
	for _, tt := range []struct {
		name, query, body string // body is the same query, posted
		want              []int
		next              int // 0: none
		link              string
	}{
		{"everything", "", `{}`, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 11, ""},
		{"a first page", "limit=3", `{"limit":3}`, []int{1, 2, 3}, 4, "from=4&limit=3"},
		{"a last page", "limit=3&from=10", `{"limit":3,"from":10}`, []int{10}, 11, ""},
		{"a page that just fits", "limit=10", `{"limit":10}`, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 11, ""},
		{"behind the head", "from=20", `{"from":20}`, nil, 20, ""},
		{"backward", "direction=backward&limit=3", `{"direction":"backward","limit":3}`, []int{10, 9, 8}, 7, "direction=backward&from=7&limit=3"},
		{"backward from a position", "direction=backward&from=2", `{"direction":"backward","from":2}`, []int{2, 1}, 0, ""},
		{"a type", "type=A", `{"filter":[{"types":["A"]}]}`, []int{1, 3, 5, 7, 9}, 11, ""},
		{"several subjects", "subject=s0,s1", `{"filter":[{"subjects":["s0","s1"]}]}`, []int{1, 2, 4, 5, 7, 8, 10}, 11, ""},
		{"all of the tags", "tag=odd,t1", `{"filter":[{"tags":["odd","t1"]}]}`, []int{2}, 11, ""},
		{"type and subject and tag", "type=A,C&subject=s0&tag=even", `{"filter":[{"types":["A","C"],"subjects":["s0"],"tags":["even"]}]}`, []int{1, 7}, 11, ""},
		{"a filter that needs another page", "type=A&limit=2&from=2", `{"filter":[{"types":["A"]}],"limit":2,"from":2}`, []int{3, 5}, 6, "from=6&limit=2&type=A"},
		{"before all", "until=2000-01-01T00:00:00Z", `{"until":"2000-01-01T00:00:00Z"}`, nil, 11, ""},
		{"since long ago", "since=2000-01-01T00:00:00%2B01:00&limit=1", `{"since":"2000-01-01T00:00:00+01:00","limit":1}`, []int{1}, 2, "from=2&limit=1&since=2000-01-01T00%3A00%3A00%2B01%3A00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := a.get("/topics/orders/events?" + tt.query)
			posted := a.post("/topics/orders/query", tt.body)
			require.Equal(t, got.body, posted.body, "a posted query answers the same")
			require.Equal(t, `"10"`, got.header.Get("ETag"))
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			p := got.page()
			require.Equal(t, "orders", p.Topic)
			require.Equal(t, 10, p.Head)
			require.Equal(t, tt.want, p.positions())
			if tt.next == 0 {
				require.Nil(t, p.Next)
			} else {
				require.Equal(t, tt.next, *p.Next)
			}
			link := ""
			if tt.link != "" {
				link = "</topics/orders/events?" + tt.link + `>; rel="next"`
			}
			require.Equal(t, link, got.header.Get("Link"))
			require.Empty(t, posted.header.Get("Link"))
		})
	}
}

func TestTheLinksLeadThroughTheTopic(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", tenEvents())
	var seen []int
	for path := "/topics/orders/events?tag=odd&limit=2"; path != ""; {
		got := a.get(path)
		seen = append(seen, got.page().positions()...)
		path, _ = strings.CutSuffix(strings.TrimPrefix(got.header.Get("Link"), "<"), `>; rel="next"`)
	}
	require.Equal(t, []int{2, 4, 6, 8, 10}, seen)
}

func TestAFilterOfSeveralItemsAndValuesWithCommas(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `[{"type":"a,b"},{"type":"C","subject":"x"},{"type":"D"}]`)
	require.Equal(t, []int{1, 2}, a.post("/topics/orders/query", `{"filter":[{"types":["a,b"]},{"subjects":["x"],"types":["C"]}]}`).page().positions())
	require.Equal(t, []int{1, 2, 3}, a.post("/topics/orders/query", `{"filter":[]}`).page().positions())
	require.Equal(t, []int{1, 2, 3}, a.post("/topics/orders/query", `{"filter":[{}]}`).page().positions())
}

func TestAFilterThatNothingCanMatchIsToldByItsParameter(t *testing.T) {
	t.Parallel()
	got := newAPI(t).withTopic("orders").get("/topics/orders/events?subject=a,b%0A")
	require.Contains(t, got.problem(400, "invalid-request")["detail"], "subject[1]: ")
}

func TestTimesBoundByRecorded(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"A"}`)
	at := a.get("/topics/orders/events").page().Events[0].Recorded
	require.Equal(t, []int{1}, a.get("/topics/orders/events?since="+at).page().positions(), "since is inclusive")
	require.Empty(t, a.get("/topics/orders/events?until="+at).page().positions(), "until is exclusive")

	behind := strings.TrimSuffix(at, "Z") + "1Z" // 100 ns later, as clocks of other platforms tell
	for bound, want := range map[string][]int{
		"since=" + behind: nil, "until=" + behind: {1},
		"since=0001-01-01T00:00:00Z": {1}, "until=0001-01-01T00:00:00Z": nil,
		"since=9999-12-31T23:59:59.9999999Z": nil, "until=9999-12-31T23:59:59.9999999Z": {1},
	} {
		require.Equal(t, want, a.get("/topics/orders/events?"+bound).page().positions(), bound)
		name, moment, _ := strings.Cut(bound, "=")
		require.Equal(t, want, a.post("/topics/orders/query", `{"`+name+`":"`+moment+`"}`).page().positions(), "posted "+bound)
	}
}

func TestAnEmptyTopic(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	require.Equal(t, `{"topic":"orders","events":[],"next":1,"head":0}`+"\n", a.get("/topics/orders/events").is(200).body)
	require.Equal(t, `{"topic":"orders","events":[],"head":0}`+"\n", a.get("/topics/orders/events?direction=backward").is(200).body)
	require.Equal(t, `"0"`, a.do("HEAD", "/topics/orders/events", "").is(200).header.Get("ETag"))
	require.Equal(t, "", a.get("/topics/orders/events", "Accept", "application/x-ndjson").is(200).body)
	require.Equal(t, "[]", a.get("/topics/orders/events", "Accept", "application/cloudevents-batch+json").is(200).body)
	require.Equal(t, `{"name":"orders","adapter":"memory","head":0,"events":0}`+"\n", a.get("/topics/orders").is(200).body)
	require.Equal(t, `{"from":1,"to":0,"verified":0,"head":0,"hash":"`+strings.Repeat("0", 64)+`"}`+"\n", a.get("/topics/orders/verify").is(200).body)
}

func TestAcceptChoosesTheMediaType(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"A"}`)
	for _, tt := range []struct{ accept, want string }{
		{"", "application/json"},
		{"*/*", "application/json"},
		{"application/*", "application/json"},
		{"text/html,application/xhtml+xml,*/*;q=0.8", "application/json"},
		{"application/json;charset=utf-8", "application/json"},
		{"application/x-ndjson", "application/x-ndjson"},
		{"Application/X-NDJSON ; q=1", "application/x-ndjson"},
		{"application/json;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"},
		{"application/json;q=0, */*", "application/x-ndjson"},
		{"application/cloudevents-batch+json", "application/cloudevents-batch+json"},
		{"nonsense, application/cloudevents-batch+json", "application/cloudevents-batch+json"},
	} {
		got := a.get("/topics/orders/events", "Accept", tt.accept).is(200)
		require.Equal(t, tt.want, got.header.Get("Content-Type"), tt.accept)
		require.Equal(t, "Accept", got.header.Get("Vary"))
	}
	detail := a.get("/topics/orders/events", "Accept", "text/csv").problem(406, "not-acceptable")["detail"]
	require.Equal(t, `the Accept header "text/csv" allows none of application/json, application/x-ndjson, text/event-stream, application/cloudevents-batch+json`, detail)
}

func TestLinesHaveNoLimitUnlessOneIsGiven(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	for range 15 {
		a.publishes("orders", tenEvents())
	}
	all := a.get("/topics/orders/events", "Accept", "application/x-ndjson").is(200)
	require.Equal(t, 150, strings.Count(all.body, "\n"))
	require.Equal(t, "150", all.header.Get("Event-Head"))
	some := a.get("/topics/orders/events?limit=20000&from=148", "Accept", "application/x-ndjson").is(200)
	require.Equal(t, 3, strings.Count(some.body, "\n"))
	require.Equal(t, 7, strings.Count(a.get("/topics/orders/events?limit=7&direction=backward", "Accept", "application/x-ndjson").body, "\n"))
	require.Len(t, a.get("/topics/orders/events").page().Events, 100)
	require.Len(t, a.get("/topics/orders/events?limit=10000").page().Events, 150)
}

func TestOneEventIsCachedForEver(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"A","data":[1]}`)
	got := a.get("/topics/orders/events/1").is(200)
	require.Equal(t, "public, max-age=31536000, immutable", got.header.Get("Cache-Control"))
	tag := got.header.Get("ETag")
	require.Contains(t, got.body, `"hash":`+tag)
	same := a.get("/topics/orders/events/1", "If-None-Match", `"x", W/`+tag).is(304)
	require.Empty(t, same.body)
	require.Equal(t, tag, same.header.Get("ETag"))
	a.get("/topics/orders/events/1", "If-None-Match", `"x"`).is(200)
	other := a.get("/topics/orders/events/1", "Accept", "application/cloudevents+json", "If-None-Match", tag).is(200)
	require.NotEqual(t, tag, other.header.Get("ETag"), "another representation has another tag")
	require.Equal(t, "no-store", a.get("/topics/orders/events/2").header.Get("Cache-Control"))
}

func TestVerifyWalksTheChain(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", tenEvents())
	var event struct{ Hash string }
	require.NoError(t, json.Unmarshal([]byte(a.get("/topics/orders/events/7").body), &event))
	require.Equal(t, `{"from":3,"to":7,"verified":5,"head":10,"hash":"`+event.Hash+`"}`+"\n", a.get("/topics/orders/verify?from=3&to=7").is(200).body)
	require.Contains(t, a.get("/topics/orders/verify").is(200).body, `{"from":1,"to":10,"verified":10,"head":10,`)
}
