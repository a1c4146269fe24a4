package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/require"
)

// serve makes a real server of the API, with its address.
func (a *api) serve() string {
	a.t.Helper()
	server := httptest.NewServer(a.handler)
	a.t.Cleanup(server.Close)
	return server.URL
}

// sdkEvents are events as a user of the SDK makes them.
func sdkEvents(t *testing.T) (events []sdk.Event) {
	t.Helper()
	for i, set := range []func(*sdk.Event) error{
		func(e *sdk.Event) error {
			return e.SetData("application/json", map[string]any{"total": 19.5, "é": "ü"})
		},
		func(e *sdk.Event) error {
			e.SetSubject("order-1")
			e.SetExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
			e.SetExtension("tags", "customer:c9,vip")
			e.SetDataSchema("https://example.com/schema")
			return e.SetData("text/json", map[string]any{"a": []int{1}}) // a +json type this SDK does not take for JSON
		},
		func(e *sdk.Event) error { return e.SetData("application/octet-stream", []byte{0, 1, 0xff}) },
		func(e *sdk.Event) error { return e.SetData("text/plain", "plain text") },
		func(e *sdk.Event) error { return nil }, // without data
	} {
		e := sdk.NewEvent()
		e.SetID(fmt.Sprint("id-", i))
		e.SetType("OrderPlaced")
		e.SetSource("/shop/checkout")
		e.SetTime(time.Date(2026, 11, 22, 20, 49, 0, 123456000, time.UTC))
		require.NoError(t, set(&e))
		events = append(events, e)
	}
	return events
}

// requireSame compares an event that the SDK read from the store with the one that it had sent.
func requireSame(t *testing.T, sent, got sdk.Event, position int) {
	t.Helper()
	require.NoError(t, got.Validate())
	require.Equal(t, sent.ID(), got.ID())
	require.Equal(t, sent.Type(), got.Type())
	require.Equal(t, sent.Source(), got.Source())
	require.Equal(t, sent.Subject(), got.Subject())
	require.Equal(t, sent.DataSchema(), got.DataSchema())
	require.True(t, sent.Time().Equal(got.Time()))
	require.Equal(t, string(sent.Data()), string(got.Data()))
	if len(sent.Data()) > 0 {
		require.Equal(t, sent.DataContentType(), got.DataContentType())
	}
	extensions := got.Extensions()
	require.Equal(t, fmt.Sprintf("%020d", position), extensions["sequence"])
	require.Len(t, extensions["hash"], 64)
	require.NotEmpty(t, extensions["recordedtime"])
	for name, value := range sent.Extensions() {
		require.Equal(t, value, extensions[name])
	}
}

func TestTheGoSDKsClientPublishes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t).withTopic("orders")
			url := a.serve() + "/topics/orders/events"
			client, err := sdk.NewClientHTTP(cehttp.WithTarget(url))
			require.NoError(t, err)
			ctx := binding.WithForceStructured(t.Context())
			if mode == "binary" {
				ctx = binding.WithForceBinary(t.Context())
			}
			sent := sdkEvents(t)
			for _, e := range sent {
				require.True(t, sdk.IsACK(client.Send(ctx, e)))
			}
			a.readBySDK(url, sent)
		})
	}
}

func TestTheGoSDKPublishesABatch(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	url := a.serve() + "/topics/orders/events"
	sent := sdkEvents(t)
	request, err := cehttp.NewHTTPRequestFromEvents(t.Context(), url, sent)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/cloudevents-batch+json; charset=UTF-8")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 201, answer.StatusCode)
	a.readBySDK(url, sent)
}

// readBySDK reads events as a batch and one by one, in every mode there is, and compares them.
func (a *api) readBySDK(url string, sent []sdk.Event) {
	a.t.Helper()
	batch, err := cehttp.NewEventsFromHTTPResponse(a.fetch(url, "application/cloudevents-batch+json"))
	require.NoError(a.t, err)
	require.Len(a.t, batch, len(sent))
	for i := range sent {
		requireSame(a.t, sent[i], batch[i], i+1)
		one, err := cehttp.NewEventFromHTTPResponse(a.fetch(fmt.Sprint(url, "/", i+1), "application/cloudevents+json"))
		require.NoError(a.t, err)
		requireSame(a.t, sent[i], *one, i+1)
		if own := sent[i].DataContentType(); own != "" && own != "application/json" {
			binary, err := cehttp.NewEventFromHTTPResponse(a.fetch(fmt.Sprint(url, "/", i+1), own))
			require.NoError(a.t, err)
			requireSame(a.t, sent[i], *binary, i+1)
		}
	}
}

func (a *api) fetch(url, accept string) *http.Response {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), "GET", url, nil)
	require.NoError(a.t, err)
	request.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	a.t.Cleanup(func() { answer.Body.Close() })
	require.Equal(a.t, 200, answer.StatusCode)
	return answer
}

func TestACloudEventBecomesAnEvent(t *testing.T) {
	t.Parallel()
	const structured, required = "application/cloudevents+json", `"specversion":"1.0","id":"a","source":"/s","type":"T"`
	binary := []string{"ce-specversion", "1.0", "ce-id", "a", "ce-source", "/s", "ce-type", "T"}
	for _, tt := range []struct {
		name, contentType, body string
		headers                 []string
		want                    string // of the line, between source and time, and from dataContentType on
	}{
		{"attributes without a field are metadata", structured, `{` + required + `,"dataschema":"urn:x","n":5,"b":true,"s":"\u00e9"}`, nil,
			`"dataContentType":"application/json","metadata":{"dataschema":"urn:x","n":5,"b":true,"s":"é"}`},
		{"null attributes are absent", structured, `{` + required + `,"subject":null,"time":null,"x":null,"datacontenttype":null}`, nil,
			`"dataContentType":"application/json"`},
		{"what the store gives is dropped", structured, `{` + required + `,"sequence":"7","recordedtime":"x","more":true,"hash":"y"}`, nil,
			`"dataContentType":"application/json"`},
		{"data is kept as it is", structured, `{` + required + `,"data":{ "a":1.50 },"datacontenttype":"text/json"}`, nil,
			`"dataContentType":"text/json","data":{"a":1.50}`},
		{"null data is data", structured, `{` + required + `,"data":null}`, nil, `"dataContentType":"application/json","data":null`},
		{"base64", structured + "; charset=utf-8", `{` + required + `,"data_base64":"AAE=","datacontenttype":"image/png"}`, nil,
			`"dataContentType":"image/png","dataBase64":"AAE="`},
		{"an empty payload is none", structured, `{` + required + `,"data_base64":""}`, nil, `"dataContentType":"application/json"`},
		{"binary JSON", "application/json; charset=utf-8", ` { "a" : [ ] } `, binary, `"dataContentType":"application/json; charset=utf-8","data":{"a":[]}`},
		{"binary JSON of a kind of its own", "application/vnd.x+json", `1`, binary, `"dataContentType":"application/vnd.x+json","data":1`},
		{"binary JSON in its old type", "text/json", `[1]`, binary, `"dataContentType":"text/json","data":[1]`},
		{"binary bytes", "text/plain", `hi`, binary, `"dataContentType":"text/plain","dataBase64":"aGk="`},
		{"binary bytes of no type", "", `hi`, binary, `"dataContentType":"application/octet-stream","dataBase64":"aGk="`},
		{"binary NDJSON is data, not an import", "application/x-ndjson", `1`, binary, `"dataContentType":"application/x-ndjson","dataBase64":"MQ=="`},
		{"binary without data", "", ``, binary, `"dataContentType":"application/json"`},
		{"binary attributes are texts", "", ``, append([]string{"ce-n", "5", "ce-sequence", "9", "ce-Other", "x"}, binary...),
			`"dataContentType":"application/json","metadata":{"n":"5","other":"x"}`},
		{"escapes, quotes and Latin-1", "", ``, append([]string{"ce-a", "Euro%20%E2%82%AC%25", "ce-b", `"quo\"ted"`, "ce-c", "caf\xe9", "ce-d", "café"}, binary...),
			`"dataContentType":"application/json","metadata":{"a":"Euro €%","b":"quo\"ted","c":"café","d":"café"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t).withTopic("orders")
			a.do("POST", "/topics/orders/events", tt.body, append([]string{"Content-Type", tt.contentType}, tt.headers...)...).is(201)
			require.Contains(t, a.get("/topics/orders/events/1").body, tt.want+`,"hash":`)
		})
	}
}

func TestTagsTravelAsOneAttribute(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	a.do("POST", "/topics/orders/events", `{"specversion":"1.0","id":"a","source":"/s","type":"T","tags":"a b,c"}`, "Content-Type", "application/cloudevents+json").is(201)
	require.Contains(t, a.get("/topics/orders/events/1").body, `"tags":["a b","c"]`)
	require.Contains(t, a.get("/topics/orders/events/1", "Accept", "application/cloudevents+json").body, `"tags":"a b,c"`)
	a.do("POST", "/topics/orders/events", `{"specversion":"1.0","id":"b","source":"/s","type":"T","tags":"a,,c"}`, "Content-Type", "application/cloudevents+json").problem(400, "invalid-request")
}

func TestAnEventInItsOwnMediaTypeIsABinaryCloudEvent(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders")
	a.publishes("orders", `[{"id":"a b","type":"é%\"","source":"/s","tags":["x"],"dataContentType":"Text/Plain; charset=utf-8","data":"h\u00e9llo","metadata":{"n":1.5}},{"type":"T"}]`)
	got := a.get("/topics/orders/events/1", "Accept", "text/*").is(200)
	require.Equal(t, "héllo", got.body)
	for name, want := range map[string]string{"Content-Type": "Text/Plain; charset=utf-8", "Ce-Id": "a%20b", "Ce-Type": "%C3%A9%25%22", "Ce-Specversion": "1.0",
		"Ce-Sequence": "00000000000000000001", "Ce-Tags": "x", "Ce-More": "true", "Ce-N": "1.5", "Ce-Source": "/s"} {
		require.Equal(t, want, got.header.Get(name), name)
	}
	require.Contains(t, got.header.Get("Cache-Control"), "immutable")
	a.get("/topics/orders/events/2", "Accept", "text/plain").problem(406, "not-acceptable")
}

func TestAnEventsOwnDataIsNoPageOfThisServer(t *testing.T) {
	t.Parallel()
	a := newAPI(t).withTopic("orders").publishes("orders", `{"type":"T","dataContentType":"text/html","data":"<script>alert(1)</script>"}`)
	got := a.get("/topics/orders/events/1", "Accept", "text/html,*/*;q=0.8").is(200)
	require.Equal(t, "text/html", got.header.Get("Content-Type"))
	require.Equal(t, "<script>alert(1)</script>", got.body)
	require.Equal(t, "default-src 'none'; sandbox", got.header.Get("Content-Security-Policy"), "a browser runs nothing of it as this server's")
}
