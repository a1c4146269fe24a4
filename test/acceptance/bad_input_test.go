package acceptance_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// bad is one request that must be refused, and change nothing.
type bad struct {
	name, method, path, body string
	header                   []string // names and values; Content-Type is JSON where it is not given
	status                   int
	code                     string
	says                     string // what the detail must hold
	hosted                   int    // the host's own status, where the request does not reach the handler
}

// publish is a bad publish to the topic.
func publish(name, body string, status int, code, says string) bad {
	return bad{name: name, method: "POST", path: "/topics/orders/events", body: body, status: status, code: code, says: says}
}

func create(name, body, code, says string) bad {
	return bad{name: name, method: "POST", path: "/topics", body: body, status: 400, code: code, says: says}
}

func get(name, path string, status int, code, says string) bad {
	return bad{name: name, method: "GET", path: path, status: status, code: code, says: says}
}

// badRequests are those of the list, and what stands beside them.
func badRequests() []bad {
	invalid, large := "invalid-request", "too-large"
	list := []bad{
		publish("malformed JSON", `{"type":x}`, 400, invalid, ""),
		publish("truncated JSON", `{"type":"A","data":{"a":[1,2`, 400, invalid, ""),
		publish("a body of white space", "  \n", 400, invalid, ""),
		publish("two values", `{"type":"A"}{"type":"B"}`, 400, invalid, ""),
		publish("duplicate keys", `{"type":"A","type":"B"}`, 400, invalid, "type"),
		publish("duplicate keys in data", `{"type":"A","data":{"a":{"b":1,"b":2}}}`, 400, invalid, "b"),
		publish("duplicate keys spelt differently", `{"type":"A","data":{"a":1,"\u0061":2}}`, 400, invalid, "a"),
		publish("a lone surrogate in data", `{"type":"A","data":"\ud800"}`, 400, invalid, ""),
		publish("a lone surrogate in a key of data", `{"type":"A","data":{"\udc00":1}}`, 400, invalid, ""),
		publish("a control character in the type", `{"type":"A\u0001"}`, 400, invalid, "type"),
		publish("a control character in the subject", `{"type":"A","subject":"a\nb"}`, 400, invalid, "subject"),
		publish("a control character in a tag", `{"type":"A","tags":["a\u007fb"]}`, 400, invalid, "tags[0]"),
		publish("NUL in the id", `{"type":"A","id":"\u0000"}`, 400, invalid, "id"),
		publish("a number for the type", `{"type":5}`, 400, invalid, "type"),
		publish("no type", `{"data":1}`, 400, invalid, "type"),
		publish("an object for tags", `{"type":"A","tags":{}}`, 400, invalid, "tags"),
		publish("an unknown field", `{"type":"A","tpye":"B"}`, 400, invalid, "tpye"),
		publish("a position", `{"type":"A","position":1}`, 400, invalid, "position"),
		publish("invalid UTF-8 in data", "{\"type\":\"A\",\"data\":\"\xff\"}", 400, invalid, ""),
		publish("invalid UTF-8 in the type", "{\"type\":\"\xc3\x28\"}", 400, invalid, ""),
		publish("an empty subject", `{"type":"A","subject":""}`, 400, invalid, "subject"),
		publish("the fourth of five events", `[{"type":"A"},{"type":"A"},{"type":"A"},{"type":""},{"type":"A"}]`, 400, invalid, "events[3].type"),
		publish("no events", `[]`, 400, invalid, ""),
		publish("a condition that is not one", `{"events":[{"type":"A"}],"condition":{"failIfMatch":[{"subject":"a"}]}}`, 400, invalid, "subject"),
		publish("JSON nested 10,000 deep", `{"type":"A","data":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`}`, 400, invalid, ""),
		publish("10,001 events", "["+strings.Repeat(`{"type":"A"},`, 10_000)+`{"type":"A"}]`, 413, large, ""),
		publish("an event over 1 MiB", `{"type":"A","data":"`+strings.Repeat("x", 1<<20)+`"}`, 413, large, ""),
		publish("17 MiB of body", `[`+strings.Repeat(`{"type":"A","data":"`+strings.Repeat("x", 1<<19)+`"},`, 34)+`{"type":"A"}]`, 413, large, ""),

		{name: "an unknown media type", method: "POST", path: "/topics/orders/events", body: "<a/>", header: []string{"Content-Type", "text/xml"}, status: 415, code: "unsupported-media-type"},
		{name: "If-Match that is no position", method: "POST", path: "/topics/orders/events", body: `{"type":"A"}`, header: []string{"If-Match", "abc"}, status: 400, code: invalid},
		{name: "If-Match that does not hold", method: "POST", path: "/topics/orders/events", body: `{"type":"A"}`, header: []string{"If-Match", `"7"`}, status: 412, code: "condition-failed"},
		{name: "a parameter of a publish", method: "POST", path: "/topics/orders/events?force=1", body: `{"type":"A"}`, status: 400, code: invalid, says: "force"},
		{name: "a binary CloudEvent without an id", method: "POST", path: "/topics/orders/events", body: `1`, header: []string{"ce-specversion", "1.0", "ce-type", "A", "ce-source", "/"}, status: 400, code: invalid, says: "id"},
		{name: "a CloudEvent of another version", method: "POST", path: "/topics/orders/events", body: `{"specversion":"0.3","id":"1","type":"A","source":"/"}`, header: []string{"Content-Type", "application/cloudevents+json"}, status: 400, code: invalid, says: "specversion"},
		{name: "an import whose second line is wrong", method: "POST", path: "/topics/orders/events", body: "{\"nothing\":1}\n{\"type\":5}\n", header: []string{"Content-Type", "application/x-ndjson"}, status: 400, code: invalid, says: "nothing"},

		get("a from that overflows", "/topics/orders/events?from=99999999999999999999", 400, invalid, "from"),
		get("a negative from", "/topics/orders/events?from=-1", 400, invalid, "from"),
		get("a limit of 0", "/topics/orders/events?limit=0", 400, invalid, "limit"),
		get("a limit beyond a page", "/topics/orders/events?limit=10001", 400, invalid, "limit"),
		get("a direction that is none", "/topics/orders/events?direction=up", 400, invalid, "direction"),
		get("a time that is none", "/topics/orders/events?since=yesterday", 400, invalid, "since"),
		get("an unknown parameter", "/topics/orders/events?form=1", 400, invalid, "form"),
		get("a topic that is not there", "/topics/nobody/events", 404, "topic-not-found", ""),
		get("an event that is not there", "/topics/orders/events/1", 404, "event-not-found", ""),
		get("a position that is none", "/topics/orders/events/one", 400, invalid, ""),
		{name: "a media type that is not answered", method: "GET", path: "/topics/orders/events", header: []string{"Accept", "image/png"}, status: 406, code: "not-acceptable"},
		{name: "a method that a path has not", method: "PUT", path: "/topics/orders/events", body: "{}", status: 405, code: "method-not-allowed", hosted: 404},
		{name: "a path that there is not", method: "GET", path: "/nowhere", status: 404, code: "route-not-found", hosted: 404},
		{name: "NUL in a path", method: "GET", path: "/topics/a%00b/events", status: 400, code: "invalid-topic", hosted: 400},
		{name: "an escaped slash in a name", method: "GET", path: "/topics/a%2Fb/events", status: 400, code: "invalid-topic"},
		{name: "escaped dots in a path", method: "GET", path: "/topics/%2e%2e/events", status: 400, code: "invalid-topic", hosted: 404},
		{name: "capitals in a name", method: "GET", path: "/topics/Orders/events", status: 400, code: "invalid-topic", says: "Orders"},

		create("no name", `{"adapter":"fs"}`, "invalid-topic", "name"),
		create("an adapter that there is not", `{"name":"a","adapter":"tape"}`, "invalid-topic", "tape"),
		create("an unknown field", `{"name":"a","colour":"red"}`, invalid, "colour"),
		create("an unknown option", `{"name":"a","adapter":"fs","options":{"fast":"yes"}}`, "invalid-topic", "fast"),
		create("a number as a name", `{"name":7}`, "invalid-topic", "name"),
	}
	for _, name := range []string{"../x", "a/b", "%2e%2e", "a\\u0000b", "A", "", "-a", "a.", "..", strings.Repeat("a", 101), "ä"} {
		list = append(list, create("the name "+name, `{"name":"`+name+`"}`, "invalid-topic", "name"))
	}
	return list
}

func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := mode.start(t)
			server.CreateTopic(t, map[string]any{"name": "orders"})
			before := server.Do(t, "GET", "/topics", nil).Body
			for _, request := range badRequests() {
				requireRefused(t, server, request)
				require.Equal(t, `"0"`, server.Do(t, "HEAD", "/topics/orders/events", nil).Header.Get("ETag"), request.name)
			}
			require.Equal(t, before, server.Do(t, "GET", "/topics", nil).Body)
			requireCutBodyStoresNothing(t, server)
			answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"Good"}`, "Content-Type", "application/json")
			require.Equal(t, 201, answer.Status, answer.Body)
		})
	}
}

func requireRefused(t *testing.T, server *app.Server, request bad) {
	t.Helper()
	answer := server.Do(t, request.method, request.path, request.body, append([]string{"Content-Type", "application/json"}, request.header...)...)
	if server.Host != nil && request.hosted != 0 {
		require.Equal(t, request.hosted, answer.Status, request.name)
		return
	}
	require.Equal(t, request.status, answer.Status, "%s: %s", request.name, answer.Body)
	require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"), request.name)
	var problem struct {
		Type, Title, Detail, Code string
		Status                    int
	}
	answer.JSON(t, &problem)
	require.Equal(t, request.code, problem.Code, "%s: %s", request.name, answer.Body)
	require.Equal(t, "/problems/"+request.code, problem.Type, request.name)
	require.Equal(t, request.status, problem.Status, request.name)
	require.Contains(t, problem.Detail, request.says, request.name)
	require.NotEmpty(t, problem.Detail, request.name)
	page := server.Do(t, "GET", problem.Type, nil)
	require.Equal(t, 200, page.Status, "%s: there is no page about %s", request.name, problem.Type)
}

// requireCutBodyStoresNothing sends half of a publish and hangs up.
func requireCutBodyStoresNothing(t *testing.T, server *app.Server) {
	t.Helper()
	for _, kind := range []string{"application/json", "application/cloudevents+json"} {
		connection, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		require.NoError(t, err)
		fmt.Fprintf(connection, "POST /topics/orders/events HTTP/1.1\r\nHost: %s\r\nx-functions-key: %s\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n{\"type\":\"A\"}",
			strings.TrimPrefix(server.URL, "http://"), server.Key, kind)
		require.NoError(t, connection.(*net.TCPConn).CloseWrite())
		io.Copy(io.Discard, connection)
		connection.Close()
	}
	require.Equal(t, `"0"`, server.Do(t, "HEAD", "/topics/orders/events", nil).Header.Get("ETag"))
}

func TestAPlaceThatCantHoldATopicIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			file := filepath.Join(root, "file")
			require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
			server := mode.start(t, "EVENTSTORE_FS_ROOTS="+root+",/proc")
			for _, tt := range []struct {
				name, connection, createDir string
				status                      int
				code                        string
			}{
				{"a file", file, "true", 400, "invalid-topic"},
				{"below a file", file + "/below", "true", 400, "invalid-topic"},
				{"a missing directory", root + "/missing", "false", 400, "invalid-topic"},
				{"a place that can't be written", "/proc/eventstore", "true", 503, "storage-unavailable"},
				{"outside of the allowed roots", "/var/eventstore", "true", 400, "invalid-topic"},
				{"out of the roots by dots", root + "/../x", "true", 400, "invalid-topic"},
			} {
				body := fmt.Sprintf(`{"name":"orders","adapter":"fs","connection":%q,"options":{"createDirIfNotExist":%q}}`, tt.connection, tt.createDir)
				answer := server.Do(t, "POST", "/topics", body, "Content-Type", "application/json")
				require.Equal(t, tt.status, answer.Status, "%s: %s", tt.name, answer.Body)
				require.Contains(t, answer.Body, `"code":"`+tt.code+`"`, tt.name)
			}
			require.Contains(t, server.Do(t, "GET", "/topics", nil).Body, `"topics":[]`)
			kept, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "mine", string(kept))
			require.NoDirExists(t, root+"/missing")
		})
	}
}
