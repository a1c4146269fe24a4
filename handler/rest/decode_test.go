package rest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

func TestDecodePublish(t *testing.T) {
	t.Parallel()
	full := core.Event{ID: "a", Type: "T", Source: "/s", Subject: "é", Tags: []string{"x", "y"}, Time: time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC),
		DataContentType: "application/json", Data: `{"b":1.50,"a":"\u00e9 \" \\"}`, Metadata: `{"k":"v w","n":1e2,"b":true}`}
	seven := core.Condition{FailIfMatch: []core.Item{{Types: []string{"T"}, Subjects: []string{"s"}, Tags: []string{"x", "y"}}, {}}, After: 7}
	for _, tt := range []struct {
		name, body string
		want       publication
	}{
		{"an event with every field, white space and escapes", `
			{ "id":"a", "type":"\u0054", "source":"/s", "subject":"é", "tags":["x", "y"], "time":"2026-01-02T05:04:05.1234569+02:00",
			"dataContentType":"application/json", "data": { "b" : 1.50 ,` + "\r\n\t" + ` "a":"\u00e9 \" \\" }, "metadata":{ "k":"v w", "n":1e2, "b":true } } `,
			publication{Events: []core.Event{full}, Single: true}},
		{"null is data", `{"type":"T","data":null}`, publication{Events: []core.Event{{Type: "T", Data: "null"}}, Single: true}},
		{"bytes", `{"type":"T","dataBase64":"AA=="}`, publication{Events: []core.Event{{Type: "T", DataBase64: "AA=="}}, Single: true}},
		{"empty tags and metadata are absent", `{"type":"T","tags":[ ],"metadata":{ }}`, publication{Events: []core.Event{{Type: "T"}}, Single: true}},
		{"an array", `[{"type":"A"},{"type":"B"}]`, publication{Events: []core.Event{{Type: "A"}, {Type: "B"}}}},
		{"an envelope", `{"events":[{"type":"A"}]}`, publication{Events: []core.Event{{Type: "A"}}}},
		{"a condition behind the events", `{"events":[{"type":"A"}],"condition":{"failIfMatch":[{"types":["T"],"subjects":["s"],"tags":["x","y"]},{}],"after":7}}`,
			publication{Events: []core.Event{{Type: "A"}}, Condition: seven}},
		{"a condition before the events", `{"condition":{"after":7,"failIfMatch":[{"types":["T"],"subjects":["s"],"tags":["x","y"]},{}]},"events":[{"type":"A"}]}`,
			publication{Events: []core.Event{{Type: "A"}}, Condition: seven}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodePublish([]byte(tt.body))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestDecodePublishRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", ``, `the body is empty; a JSON value is wanted`},
		{"white space alone", " \n", `the body is empty; a JSON value is wanted`},
		{"a string", `"x"`, `is a string; an object is wanted`},
		{"no JSON", `hello`, `invalid character 'h' at start of value, at byte 0`},
		{"a byte order mark", "\xef\xbb\xbf{}", `invalid character '\ufeff' at start of value, at byte 0`},
		{"a compressed body", "\x1f\x8b\x08\x00", `the body is compressed; send it as it is, without a Content-Encoding`},
		{"JSON cut in a string", `{"type":"T`, `the JSON ends in its middle, at byte 10`},
		{"JSON cut before its end", `[{"type":"T"}`, `the JSON ends in its middle, at byte 13`},
		{"something behind the value", `{"type":"T"} {}`, `something follows the JSON value, at byte 12`},
		{"a comma behind the value", `{"type":"T"},`, `something follows the JSON value, at byte 12`},
		{"a duplicate field", `{"type":"T","type":"U"}`, `type: is there twice, at byte 12`},
		{"a duplicate field in another spelling", `{"type":"T","\u0074ype":"U"}`, `type: is there twice, at byte 12`},
		{"a duplicate key deep in the data", `[{"type":"T"},{"type":"T","data":{"a":[{"b":1,"b":2}]}}]`, `events[1].data.a[0].b: is there twice, at byte 46`},
		{"a duplicate key in metadata", `{"type":"T","metadata":{"a":1,"a":2}}`, `metadata.a: is there twice, at byte 30`},
		{"invalid UTF-8", "{\"type\":\"\xff\"}", `type: invalid UTF-8, at byte 9`},
		{"invalid UTF-8 in the data", "{\"type\":\"T\",\"data\":{\"x\":\"\xc3\x28\"}}", `data.x: invalid UTF-8, at byte 25`},
		{"a lone surrogate", `{"type":"T","data":["\ud800"]}`, `data[0]: a string has a lone surrogate, at byte 21`},
		{"a lone surrogate in a name", `{"type":"T","data":{"\udc00":1}}`, `data: a string has a lone surrogate, at byte 21`},
		{"a raw control character", "{\"type\":\"a\nb\"}", `type: invalid character '\n' in string (expecting non-control character), at byte 10`},
		{"an unknown field", `[{"type":"T"},{"type":"T","sbject":"x"}]`, `events[1].sbject: is not a field of an event; those are ` + eventFieldNames},
		{"a field in other case", `{"Type":"T"}`, `Type: is not a field of an event; those are ` + eventFieldNames},
		{"an empty name", `{"":"T"}`, `[""]: is not a field of an event; those are ` + eventFieldNames},
		{"the store's position", `{"type":"T","position":1}`, `position: is given by the store; leave it out`},
		{"the store's recorded", `{"events":[{"type":"T","recorded":"x"}]}`, `events[0].recorded: is given by the store; leave it out`},
		{"the store's more", `{"type":"T","more":true}`, `more: is given by the store; leave it out`},
		{"the store's hash", `{"type":"T","hash":""}`, `hash: is given by the store; leave it out`},
		{"a type that is a number", `[{"type":"T"},{"type":5}]`, `events[1].type: is a number; a string is wanted`},
		{"a type that is null", `{"type":null}`, `type: is null; a string is wanted`},
		{"a subject that is null", `{"type":"T","subject":null}`, `subject: is null; a string is wanted`},
		{"tags that are null", `{"type":"T","tags":null}`, `tags: is null; an array is wanted`},
		{"tags that are a string", `{"type":"T","tags":"a"}`, `tags: is a string; an array is wanted`},
		{"a tag that is an object", `{"type":"T","tags":["a",{}]}`, `tags[1]: is an object; a string is wanted`},
		{"an empty tag", `{"type":"T","tags":[""]}`, `tags[0]: is empty; leave it out, or give it a value`},
		{"metadata that is an array", `{"type":"T","metadata":[]}`, `metadata: is an array; an object is wanted`},
		{"metadata that is null", `{"type":"T","metadata":null}`, `metadata: is null; an object is wanted`},
		{"an event that is null", `[null]`, `events[0]: is null; an object is wanted`},
		{"an event that is an array", `[[]]`, `events[0]: is an array; an object is wanted`},
		{"events that are an object", `{"events":{}}`, `events: is an object; an array is wanted`},
		{"no type", `{"id":"a"}`, `type: is missing; it has 1 to 256 characters`},
		{"no type in an array", `[{"type":"T"},{"id":"a"}]`, `events[1].type: is missing; it has 1 to 256 characters`},
		{"no field", `{}`, `type: is missing; an event has at least that`},
		{"no field in an array", `[{}]`, `events[0].type: is missing; an event has at least that`},
		{"an empty id", `{"type":"T","id":""}`, `id: is empty; leave it out, or give it a value`},
		{"an empty subject", `{"type":"T","subject":""}`, `subject: is empty; leave it out, or give it a value`},
		{"a time that is none", `{"type":"T","time":"yesterday"}`, `time: "yesterday" is not an RFC 3339 time such as 2026-11-22T20:49:00.123456Z`},
		{"no events", `[]`, `events: is empty; a publish has at least one event`},
		{"no events in an envelope", `{"events":[]}`, `events: is empty; a publish has at least one event`},
		{"a condition alone", `{"condition":{"failIfMatch":[]}}`, `events: is missing; a condition stands beside the events that it is for`},
		{"a field beside events", `{"events":[{"type":"T"}],"type":"T"}`, `type: is not a field of a publish; those are events and condition`},
		{"events behind a field", `{"type":"T","events":[]}`, `events: is not a field of an event; those are ` + eventFieldNames},
		{"a condition without failIfMatch", `{"condition":{"after":1}}`, `condition.failIfMatch: is missing; a condition says which events must not be there`},
		{"an unknown field of a condition", `{"condition":{"head":1}}`, `condition.head: is not a field of a condition; those are failIfMatch and after`},
		{"an unknown field of an item", `{"condition":{"failIfMatch":[{},{"type":"x"}]}}`, `condition.failIfMatch[1].type: is not a field of an item; those are types, subjects and tags`},
		{"an after that is negative", `{"condition":{"failIfMatch":[],"after":-1}}`, `condition.after: -1 is not a whole number from 0 to 9223372036854775807`},
		{"an after that overflows", `{"condition":{"failIfMatch":[],"after":9223372036854775808}}`, `condition.after: 9223372036854775808 is not a whole number from 0 to 9223372036854775807`},
		{"an after that is a fraction", `{"condition":{"failIfMatch":[],"after":1.5}}`, `condition.after: 1.5 is not a whole number from 0 to 9223372036854775807`},
		{"an after that is a string", `{"condition":{"failIfMatch":[],"after":"1"}}`, `condition.after: is a string; a number is wanted`},
		{"nesting of 10,000", `{"type":"T","data":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, `JSON nested more than 128 deep, at byte 146`},
		{"a name with a line break", `{"a\nb":1}`, "a\nb: is not a field of an event; those are " + eventFieldNames},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := decodePublish([]byte(tt.body))
			require.Error(t, err)
			require.Equal(t, "invalid-request", problemOf(err).Code)
			require.Equal(t, tt.want, err.Error())
		})
	}
}

func TestDecodePublishLimitsTheNumberOfEvents(t *testing.T) {
	t.Parallel()
	body := func(n int) []byte { return []byte(`[` + strings.Repeat(`{"type":"T"},`, n-1) + `{"type":"T"}]`) }
	p, err := decodePublish(body(core.MaxRequestEvents))
	require.NoError(t, err)
	require.Len(t, p.Events, core.MaxRequestEvents)
	_, err = decodePublish(body(core.MaxRequestEvents + 1))
	require.Equal(t, "too-large", problemOf(err).Code)
	require.EqualError(t, err, "events: more than 10000 events; the most in one request is 10000")
}

func TestNothingOfABodyIsUsedAfterItWasDecoded(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"a","type":"T","source":"/s","subject":"s","tags":["x"],"data":{"a":[1]},"metadata":{"k":"v"}}`)
	first, err := decodePublish(body)
	require.NoError(t, err)
	for i := range body {
		body[i] = '#'
	}
	require.Equal(t, core.Event{ID: "a", Type: "T", Source: "/s", Subject: "s", Tags: []string{"x"}, Data: `{"a":[1]}`, Metadata: `{"k":"v"}`}, first.Events[0])
}

// FuzzPublish: what is decoded is what the strict reader of core finds in the same bytes.
func FuzzPublish(f *testing.F) {
	for _, seed := range []string{
		`{"type":"T","data":{"a":[1, 2.50,"\u00e9\"\\"]},"metadata":{"k":true}}`, `[{"type":"T","tags":["x"]}]`,
		`{"events":[{"type":"A","time":"2026-01-02T03:04:05Z"}],"condition":{"failIfMatch":[{"tags":["a"]}],"after":3}}`,
		`{"type":"T","dataBase64":"AA=="}`, `[]`, `{}`, `{"\u0074ype":"\ud83d\ude00"}`, "\x1f\x8b", `{"type":"T","data":"\ud800"}`, `{"type":"T",`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodePublish(body)
		if err != nil {
			require.Contains(t, []string{"invalid-request", "too-large"}, problemOf(err).Code)
			return
		}
		require.NotEmpty(t, p.Events)
		whole, err := core.CompactJSON(body)
		require.NoError(t, err, "decoded, though it is not valid JSON")
		for _, e := range p.Events {
			if e.Data != "" {
				data, err := core.CompactJSON([]byte(e.Data))
				require.NoError(t, err)
				require.Equal(t, data, e.Data)
				require.Contains(t, whole, e.Data)
			}
			_ = e.Validate("")
		}
	})
}

// FuzzHeaders: a CloudEvent in binary mode that is read can be written, and reads the same again.
func FuzzHeaders(f *testing.F) {
	f.Add("1.0", "id", "/source", "type", "Euro%20%E2%82%AC", "a,b", "application/json", []byte(`{"a":1}`))
	f.Add("1.0", "i\xe9", "\"quo\\\"ted\"", "type", "100%", "", "text/plain", []byte("hello"))
	f.Add("1.0", "1", "/s", "T", "%ff", ",", "", []byte{0})
	f.Fuzz(func(t *testing.T, version, id, source, kind, subject, tags, contentType string, body []byte) {
		header := http.Header{"Ce-Specversion": {version}, "Ce-Id": {id}, "Ce-Source": {source}, "Ce-Type": {kind},
			"Ce-Subject": {subject}, "Ce-Tags": {tags}, "Ce-Other": {subject}, "Content-Type": {contentType}}
		p, err := decodeBinary(header, body)
		if err != nil || p.Events[0].Validate("") != nil {
			return
		}
		first := p.Events[0]
		again := http.Header{"Content-Type": {first.DataContentType}}
		setAttributes(again, &first)
		again.Del("ce-time")
		data, err := binaryData(&first)
		require.NoError(t, err)
		second, err := decodeBinary(again, data)
		require.NoError(t, err)
		require.Equal(t, first, second.Events[0])
	})
}

// FuzzQueryString: what is accepted is within its bounds, and the link to the next page asks for the same.
func FuzzQueryString(f *testing.F) {
	for _, seed := range []string{"", "from=1&limit=5&wait=60", "type=a%2Cb&subject=s&tag=x,y", "direction=backward&from=3", "since=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00%2B01:00",
		"wait=61", "from=9223372036854775807", "limit=99999999999999999999", "a;b", "%zz", "code=x&clientId=y&from=2", "from=1&from=2", "type=%ff", "type=", "from=+1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		given, err := parameters(&http.Request{URL: &url.URL{RawQuery: query}}, queryParameters...)
		var first selection
		if err == nil {
			first, err = selectionOf(given)
		}
		if err != nil {
			require.Equal(t, "invalid-request", problemOf(err).Code)
			return
		}
		require.True(t, first.From >= 0 && first.Limit >= 0 && first.Wait >= 0 && first.Wait <= 60*time.Second)
		link, err := url.Parse(strings.TrimPrefix(strings.TrimSuffix(nextLink("orders", given, 7), `>; rel="next"`), "<"))
		require.NoError(t, err)
		require.Equal(t, "/topics/orders/events", link.Path)
		again, err := parameters(&http.Request{URL: link}, queryParameters...)
		require.NoError(t, err)
		second, err := selectionOf(again)
		require.NoError(t, err)
		first.From = 7
		require.Equal(t, first, second)
	})
}
