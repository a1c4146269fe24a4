package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBadInputChangesNothing sends what is wrong, each to an API of its own, and looks whether anything
// is there afterwards that was not before.
func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	const events = "/topics/orders/events"
	large := strings.Repeat("x", 17<<20)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"truncated JSON", "POST", events, `{"type":"T","data":{"a":`, nil, 400, "invalid-request"},
		{"malformed JSON", "POST", events, `{'type':'T'}`, nil, 400, "invalid-request"},
		{"an empty body", "POST", events, ``, nil, 400, "invalid-request"},
		{"a duplicate key", "POST", events, `{"type":"T","type":"T"}`, nil, 400, "invalid-request"},
		{"a duplicate key in the data", "POST", events, `{"type":"T","data":{"a":1,"a":1}}`, nil, 400, "invalid-request"},
		{"a lone surrogate", "POST", events, `{"type":"T","data":"\udfff"}`, nil, 400, "invalid-request"},
		{"invalid UTF-8", "POST", events, "{\"type\":\"T\",\"data\":\"\xff\"}", nil, 400, "invalid-request"},
		{"a control character in a name", "POST", events, `{"type":"a\u0007b"}`, nil, 400, "invalid-request"},
		{"a control character in a subject", "POST", events, `{"type":"T","subject":"\n"}`, nil, 400, "invalid-request"},
		{"a wrong type", "POST", events, `{"type":["T"]}`, nil, 400, "invalid-request"},
		{"an unknown field", "POST", events, `{"type":"T","payload":1}`, nil, 400, "invalid-request"},
		{"a source that is no URI reference", "POST", events, `{"type":"T","source":"a b"}`, nil, 400, "invalid-request"},
		{"both kinds of data", "POST", events, `{"type":"T","data":1,"dataBase64":"AA=="}`, nil, 400, "invalid-request"},
		{"base64 without padding", "POST", events, `{"type":"T","dataBase64":"AA"}`, nil, 400, "invalid-request"},
		{"33 tags", "POST", events, `{"type":"T","tags":["` + strings.Join(strings.Split(strings.Repeat("a", 33), ""), `","`) + `"]}`, nil, 400, "invalid-request"},
		{"a tag twice", "POST", events, `{"type":"T","tags":["a","a"]}`, nil, 400, "invalid-request"},
		{"a long id", "POST", events, `{"type":"T","id":"` + strings.Repeat("é", 257) + `"}`, nil, 400, "invalid-request"},
		{"JSON nested 10,000 deep", "POST", events, `{"type":"T","data":` + strings.Repeat(`{"a":`, 10_000) + `1` + strings.Repeat(`}`, 10_000) + `}`, nil, 400, "invalid-request"},
		{"17 MiB", "POST", events, `{"type":"T","data":"` + large + `"}`, nil, 413, "too-large"},
		{"10,001 events", "POST", events, `[` + strings.Repeat(`{"type":"T"},`, 10_000) + `{"type":"T"}]`, nil, 413, "too-large"},
		{"an event over 1 MiB", "POST", events, `[{"type":"T"},{"type":"T","data":"` + large[:1<<20] + `"}]`, nil, 413, "too-large"},
		{"one bad event among good ones", "POST", events, `[{"type":"T"},{"type":""},{"type":"T"}]`, nil, 400, "invalid-request"},
		{"a parameter of a publish", "POST", events + "?wait=1", `{"type":"T"}`, nil, 400, "invalid-request"},
		{"an If-Match that is no position", "POST", events, `{"type":"T"}`, []string{"If-Match", `1`}, 400, "invalid-request"},
		{"an If-Match that no ETag is", "POST", events, `{"type":"T"}`, []string{"If-Match", `"01"`}, 400, "invalid-request"},
		{"a weak If-Match", "POST", events, `{"type":"T"}`, []string{"If-Match", `W/"1"`}, 400, "invalid-request"},
		{"an If-Match that overflows", "POST", events, `{"type":"T"}`, []string{"If-Match", `"9223372036854775808"`}, 400, "invalid-request"},
		{"an If-Match of anything", "POST", events, `{"type":"T"}`, []string{"If-Match", `*`}, 400, "invalid-request"},
		{"an If-None-Match of a position", "POST", events, `{"type":"T"}`, []string{"If-None-Match", `"1"`}, 400, "invalid-request"},
		{"two conditions on the head", "POST", events, `{"type":"T"}`, []string{"If-None-Match", `*`, "If-Match", `"1"`}, 400, "invalid-request"},
		{"no content type", "POST", events, `{"type":"T"}`, []string{"Content-Type", ""}, 415, "unsupported-media-type"},
		{"a form", "POST", events, `{"type":"T"}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"},
		{"CloudEvents in another format", "POST", events, `x`, []string{"Content-Type", "application/cloudevents+avro"}, 415, "unsupported-media-type"},
		{"a compressed body", "POST", events, "\x1f\x8b\x08", []string{"Content-Encoding", "gzip"}, 415, "unsupported-media-type"},
		{"a compressed body whose header the host dropped", "POST", events, "\x1f\x8b\x08", nil, 400, "invalid-request"},
		{"an import under a condition", "POST", events, `{"type":"T"}`, []string{"Content-Type", "application/x-ndjson", "If-None-Match", "*"}, 400, "invalid-request"},
		{"an import of nothing", "POST", events, "\n\n", []string{"Content-Type", "application/x-ndjson"}, 400, "invalid-request"},
		{"an unknown topic", "POST", "/topics/none/events", `{"type":"T"}`, nil, 404, "topic-not-found"},

		{"a CloudEvent without specversion", "POST", events, `{"id":"a","source":"/s","type":"T"}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a CloudEvent of another version", "POST", events, `{"specversion":"0.3","id":"a","source":"/s","type":"T"}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a CloudEvent without id", "POST", events, `{"specversion":"1.0","source":"/s","type":"T"}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a CloudEvent without source", "POST", events, `{"specversion":"1.0","id":"a","type":"T"}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a CloudEvent whose attribute is an object", "POST", events, `{"specversion":"1.0","id":"a","source":"/s","type":"T","ext":{}}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a CloudEvent with a badly named attribute", "POST", events, `{"specversion":"1.0","id":"a","source":"/s","type":"T","my_ext":1}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a CloudEvent whose type is a number", "POST", events, `{"specversion":"1.0","id":"a","source":"/s","type":1}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "invalid-request"},
		{"a batch that is an event", "POST", events, `{"specversion":"1.0","id":"a","source":"/s","type":"T"}`, []string{"Content-Type", "application/cloudevents-batch+json"}, 400, "invalid-request"},
		{"an empty batch", "POST", events, `[]`, []string{"Content-Type", "application/cloudevents-batch+json"}, 400, "invalid-request"},
		{"a binary CloudEvent without ce-id", "POST", events, `{}`, []string{"ce-specversion", "1.0", "ce-source", "/s", "ce-type", "T"}, 400, "invalid-request"},
		{"a binary CloudEvent with a broken escape", "POST", events, `{}`, []string{"ce-specversion", "1.0", "ce-source", "/s", "ce-type", "50%", "ce-id", "a"}, 400, "invalid-request"},
		{"a binary CloudEvent with an escape that is not UTF-8", "POST", events, `{}`, []string{"ce-specversion", "1.0", "ce-source", "/s", "ce-type", "%ff", "ce-id", "a"}, 400, "invalid-request"},
		{"a binary CloudEvent with ce-datacontenttype", "POST", events, `{}`, []string{"ce-specversion", "1.0", "ce-source", "/s", "ce-type", "T", "ce-id", "a", "ce-datacontenttype", "x/y"}, 400, "invalid-request"},
		{"a binary CloudEvent whose JSON is none", "POST", events, `{`, []string{"ce-specversion", "1.0", "ce-source", "/s", "ce-type", "T", "ce-id", "a"}, 400, "invalid-request"},

		{"a from that overflows", "GET", events + "?from=9223372036854775808", ``, nil, 400, "invalid-request"},
		{"a from of 0", "GET", events + "?from=0", ``, nil, 400, "invalid-request"},
		{"a from that is negative", "GET", events + "?from=-1", ``, nil, 400, "invalid-request"},
		{"a from with a sign", "GET", events + "?from=%2B1", ``, nil, 400, "invalid-request"},
		{"a from that the host merged", "GET", events + "?from=1%2C2", ``, nil, 400, "invalid-request"},
		{"a repeated parameter", "GET", events + "?type=a&type=b", ``, nil, 400, "invalid-request"},
		{"an empty parameter", "GET", events + "?type=", ``, nil, 400, "invalid-request"},
		{"an unknown parameter", "GET", events + "?form=1", ``, nil, 400, "invalid-request"},
		{"an unknown parameter of a HEAD", "HEAD", events + "?form=1", ``, nil, 400, ""},
		{"a broken escape in the query", "GET", events + "?type=%zz", ``, nil, 400, "invalid-request"},
		{"a semicolon in the query", "GET", events + "?type=a;from=1", ``, nil, 400, "invalid-request"},
		{"invalid UTF-8 in the query", "GET", events + "?type=%ff", ``, nil, 400, "invalid-request"},
		{"an empty value between commas", "GET", events + "?type=a,,b", ``, nil, 400, "invalid-request"},
		{"a type that no event can have", "GET", events + "?type=A," + strings.Repeat("x", 257), ``, nil, 400, "invalid-request"},
		{"a control character in a subject that is looked for", "GET", events + "?subject=%00", ``, nil, 400, "invalid-request"},
		{"a tag that no event can have", "GET", events + "?tag=" + strings.Repeat("x", 257), ``, nil, 400, "invalid-request"},
		{"a limit of 0", "GET", events + "?limit=0", ``, nil, 400, "invalid-request"},
		{"a limit of 10,001", "GET", events + "?limit=10001", ``, nil, 400, "invalid-request"},
		{"a direction that is none", "GET", events + "?direction=up", ``, nil, 400, "invalid-request"},
		{"a since that is no time", "GET", events + "?since=2026-11-22", ``, nil, 400, "invalid-request"},
		{"an until whose + became a space", "GET", events + "?until=2026-11-22T20:49:00+01:00", ``, nil, 400, "invalid-request"},
		{"a wait of 61", "GET", events + "?wait=61", ``, nil, 400, "invalid-request"},
		{"a wait that is a fraction", "GET", events + "?wait=0.5", ``, nil, 400, "invalid-request"},
		{"an Accept of nothing there is", "GET", events, ``, []string{"Accept", "text/csv"}, 406, "not-acceptable"},
		{"an Accept that refuses all", "GET", events, ``, []string{"Accept", "*/*;q=0"}, 406, "not-acceptable"},
		{"a stream backward", "GET", events + "?direction=backward", ``, []string{"Accept", "text/event-stream"}, 400, "invalid-request"},
		{"a stream that waits", "GET", events + "?wait=5", ``, []string{"Accept", "text/event-stream"}, 400, "invalid-request"},
		{"a Last-Event-ID that is none", "GET", events, ``, []string{"Accept", "text/event-stream", "Last-Event-ID", "x"}, 400, "invalid-request"},
		{"a position that is none", "GET", events + "/first", ``, nil, 400, "invalid-request"},
		{"a position that overflows", "GET", events + "/9223372036854775808", ``, nil, 400, "invalid-request"},
		{"a position of 0", "GET", events + "/0", ``, nil, 400, "invalid-request"},
		{"a position behind the head", "GET", events + "/2", ``, nil, 404, "event-not-found"},
		{"a parameter of an event", "GET", events + "/1?from=1", ``, nil, 400, "invalid-request"},
		{"a query with an unknown field", "POST", "/topics/orders/query", `{"form":1}`, nil, 400, "invalid-request"},
		{"a query with a from of 0", "POST", "/topics/orders/query", `{"from":0}`, nil, 400, "invalid-request"},
		{"a query with a wait of 61", "POST", "/topics/orders/query", `{"wait":61}`, nil, 400, "invalid-request"},
		{"a query with a limit of 10,001", "POST", "/topics/orders/query", `{"limit":10001}`, nil, 400, "invalid-request"},
		{"a query with a direction that is none", "POST", "/topics/orders/query", `{"direction":"up"}`, nil, 400, "invalid-request"},
		{"a query that is an array", "POST", "/topics/orders/query", `[]`, nil, 400, "invalid-request"},
		{"a query that is no JSON type", "POST", "/topics/orders/query", `{}`, []string{"Content-Type", "text/plain"}, 415, "unsupported-media-type"},
		{"a query of 2 MiB", "POST", "/topics/orders/query", `{"filter":[{"types":["` + large[:2<<20] + `"]}]}`, nil, 413, "too-large"},
		{"a verify with a to before its from", "GET", "/topics/orders/verify?from=3&to=2", ``, nil, 400, "invalid-request"},
		{"a verify with an unknown parameter", "GET", "/topics/orders/verify?until=2", ``, nil, 400, "invalid-request"},

		{"a name with ../", "POST", "/topics", `{"name":"../etc"}`, nil, 400, "invalid-topic"},
		{"a name with a slash", "POST", "/topics", `{"name":"a/b"}`, nil, 400, "invalid-topic"},
		{"a name with NUL", "POST", "/topics", `{"name":"a\u0000b"}`, nil, 400, "invalid-topic"},
		{"an escaped name", "POST", "/topics", `{"name":"%2e%2e"}`, nil, 400, "invalid-topic"},
		{"a name in capitals", "POST", "/topics", `{"name":"Orders"}`, nil, 400, "invalid-topic"},
		{"no name", "POST", "/topics", `{}`, nil, 400, "invalid-topic"},
		{"a name that is a number", "POST", "/topics", `{"name":1}`, nil, 400, "invalid-topic"},
		{"a name of 101 characters", "POST", "/topics", `{"name":"` + strings.Repeat("a", 101) + `"}`, nil, 400, "invalid-topic"},
		{"an adapter that is none", "POST", "/topics", `{"name":"a","adapter":"tape"}`, nil, 400, "invalid-topic"},
		{"an option that is a boolean", "POST", "/topics", `{"name":"a","options":{"createDirIfNotExist":true}}`, nil, 400, "invalid-topic"},
		{"options that are a string", "POST", "/topics", `{"name":"a","options":"x"}`, nil, 400, "invalid-topic"},
		{"a connection of a memory topic", "POST", "/topics", `{"name":"a","connection":"x"}`, nil, 400, "invalid-topic"},
		{"an unknown field of a topic", "POST", "/topics", `{"name":"a","nmae":"b"}`, nil, 400, "invalid-request"},
		{"a topic that is no JSON", "POST", "/topics", `name=a`, nil, 400, "invalid-request"},
		{"a topic with a duplicate key", "POST", "/topics", `{"name":"a","name":"a"}`, nil, 400, "invalid-request"},
		{"a topic that differs", "POST", "/topics", `{"name":"orders","description":"other"}`, nil, 409, "topic-exists"},
		{"a list with a limit of 1,001", "GET", "/topics?limit=1001", ``, nil, 400, "invalid-request"},

		{"../ in the path", "GET", "/topics/../topics/orders", ``, nil, 404, "route-not-found"},
		{"./ in the path", "GET", "/topics/./orders", ``, nil, 404, "route-not-found"},
		{"// in the path", "GET", "/topics//events", ``, nil, 404, "route-not-found"},
		{"an escaped ../ in the path", "POST", "/topics/%2e%2e/events", `{"type":"T"}`, nil, 400, "invalid-topic"},
		{"an escaped slash in the path", "POST", "/topics/a%2fb/events", `{"type":"T"}`, nil, 400, "invalid-topic"},
		{"an escaped NUL in the path", "POST", "/topics/a%00/events", `{"type":"T"}`, nil, 400, "invalid-topic"},
		{"a twice escaped path", "POST", "/topics/%252e%252e/events", `{"type":"T"}`, nil, 400, "invalid-topic"},
		{"capitals in the path", "DELETE", "/topics/ORDERS", ``, nil, 400, "invalid-topic"},
		{"a slash at the end", "GET", "/topics/orders/", ``, nil, 404, "route-not-found"},
		{"an unknown path", "GET", "/topics/orders/evnts", ``, nil, 404, "route-not-found"},
		{"a topic to delete that is not there", "DELETE", "/topics/none", ``, nil, 404, "topic-not-found"},
		{"a parameter of a delete", "DELETE", "/topics/orders?force=1", ``, nil, 400, "invalid-request"},
		{"a method that a path has not", "PUT", "/topics/orders", ``, nil, 405, "method-not-allowed"},
		{"OPTIONS", "OPTIONS", events, ``, nil, 405, "method-not-allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t).withTopic("orders").publishes("orders", `{"id":"first","type":"T"}`)
			before := a.state()
			headers := tt.headers
			if tt.method == "POST" {
				headers = append([]string{"Content-Type", "application/json"}, headers...)
			}
			got := a.do(tt.method, tt.path, tt.body, headers...)
			if tt.code == "" {
				got.is(tt.status)
			} else {
				require.NotEmpty(t, got.problem(tt.status, tt.code)["detail"])
			}
			require.Less(t, len(got.body), 1000, "a long value is not sent back")
			require.Equal(t, before, a.state())
		})
	}
}

// state is all that there is.
func (a *api) state() string {
	a.t.Helper()
	return a.get("/topics").is(200).body + a.get("/topics/orders").is(200).body + a.get("/topics/orders/events").is(200).body
}

func TestAMethodThatAPathHasNotIsToldTheOthers(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for path, allow := range map[string]string{
		"/topics": "GET, HEAD, POST", "/topics/a": "DELETE, GET, HEAD", "/topics/a/events": "GET, HEAD, POST",
		"/topics/a/events/1": "GET, HEAD", "/topics/a/query": "POST", "/topics/a/verify": "GET, HEAD", "/": "GET, HEAD",
	} {
		got := a.do("PATCH", path, "")
		got.problem(405, "method-not-allowed")
		require.Equal(t, allow, got.header.Get("Allow"), path)
	}
}

func TestTheHostsOwnParametersAreIgnored(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `[{"type":"T"},{"type":"T"}]`)
	got := a.get("/topics/orders/events?code=secret&clientId=default&limit=1&type=T").is(200)
	require.Equal(t, `</topics/orders/events?from=2&limit=1&type=T>; rel="next"`, got.header.Get("Link"))
	a.post("/topics/orders/events?code=secret&clientId=x", `{"type":"T"}`).is(201)
	require.NotContains(t, a.log.String(), "secret")
}

func TestWhatTakesNoBodyRefusesOne(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	for _, path := range []string{"/topics/orders/subscriptions/none/pause", "/topics/orders/subscriptions/none/resume", "/topics/orders/subscriptions/none/redrive",
		"/topics/orders/subscriptions/none/rotate-secret", "/projections/none/pause", "/projections/none/resume", "/projections/none/rebuild"} {
		for _, body := range []string{"", "  \n", "{}"} {
			a.post(path, body).is(404)
		}
		for _, body := range []string{`{"a":1}`, `[]`, `{`, `{}{}`, `a=1`} {
			a.post(path, body).problem(400, "invalid-request")
		}
		a.post(path, strings.Repeat(" ", 2<<20)).problem(413, "too-large")
	}
}
