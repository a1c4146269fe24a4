package acceptance_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// payload is one real webhook event of GitHub.
type payload struct {
	ID      string
	Type    string
	Subject string // the repository; "" where there is none
	Sent    jsontext.Value
	Data    string // Sent without white space: what is stored and answered
}

var payloads = sync.OnceValues(func() ([]payload, error) {
	text, err := os.ReadFile("../node_modules/@octokit/webhooks-examples/api.github.com/index.json")
	if err != nil {
		return nil, fmt.Errorf("the examples are not installed: run `npm ci` in test/: %w", err)
	}
	var kinds []struct {
		Name     string
		Examples []jsontext.Value
	}
	if err := app.Decode(text, &kinds); err != nil {
		return nil, err
	}
	var all []payload
	for _, kind := range kinds {
		for _, example := range kind.Examples {
			var about struct {
				Repository struct {
					FullName string `json:"full_name"`
				}
			}
			if err := app.Decode(example, &about); err != nil {
				return nil, err
			}
			compact := example.Clone()
			if err := compact.Compact(); err != nil {
				return nil, err
			}
			all = append(all, payload{fmt.Sprintf("gh-%d", len(all)+1), kind.Name, about.Repository.FullName, example, string(compact)})
		}
	}
	return all, nil
})

func real(t *testing.T) []payload {
	t.Helper()
	all, err := payloads()
	require.NoError(t, err)
	require.Len(t, all, 329)
	return all
}

// JSON is the payload as it is published, white space included.
func (p payload) JSON() string {
	subject := ""
	if p.Subject != "" {
		subject = fmt.Sprintf(`"subject": %q, `, p.Subject)
	}
	return fmt.Sprintf("{ \"id\": %q, %s\"type\": %q, \"source\": \"https://github.com\",\n \"data\": %s }", p.ID, subject, p.Type, p.Sent)
}

// event is one that was read back.
type event struct {
	Position int64
	ID       string
	Type     string
	Source   string
	Subject  string
	Time     string
	Recorded string
	More     bool
	Data     jsontext.Value
	Metadata jsontext.Value
	Hash     string
}

// publishAll publishes every payload: some alone, some as arrays, some as envelopes with a condition.
func publishAll(t *testing.T, server *app.Server, all []payload) {
	t.Helper()
	publish := func(body string, first, last int) {
		answer := server.Do(t, "POST", "/topics/github/events", body, "Content-Type", "application/json")
		require.Equal(t, 201, answer.Status, answer.Body)
		require.Equal(t, fmt.Sprintf(`"%d"`, last), answer.Header.Get("ETag"))
		require.Equal(t, fmt.Sprintf("/topics/github/events/%d", first), answer.Header.Get("Location"))
	}
	for i := 0; i < 100; i++ {
		publish(all[i].JSON(), i+1, i+1)
	}
	at := 100
	for chunk := range slices.Chunk(all[100:], 40) {
		body := "[" + joined(chunk) + "]"
		if at >= 200 {
			body = fmt.Sprintf(`{"events":%s,"condition":{"failIfMatch":[{"subjects":["nobody"]}],"after":%d}}`, body, at)
		}
		publish(body, at+1, at+len(chunk))
		at += len(chunk)
	}
}

func joined(chunk []payload) string {
	texts := make([]string, len(chunk))
	for i, p := range chunk {
		texts[i] = p.JSON()
	}
	return strings.Join(texts, ",\n")
}

// read follows a query page by page, so many pages at most (without a number all), and returns the events.
func read(t *testing.T, server *app.Server, query string, most ...int) (events []event) {
	t.Helper()
	pages := 0
	for from := ""; ; {
		answer := server.Do(t, "GET", "/topics/github/events?"+query+from, nil)
		require.Equal(t, 200, answer.Status, answer.Body)
		var page struct {
			Topic      string
			Events     []event
			Next, Head int64
		}
		answer.JSON(t, &page)
		events = append(events, page.Events...)
		if pages++; answer.Header.Get("Link") == "" || len(most) > 0 && pages == most[0] {
			return events
		}
		from = fmt.Sprintf("&from=%d", page.Next)
	}
}

// requireSame checks that events are those payloads, byte for byte, in order.
func requireSame(t *testing.T, all []payload, events []event) {
	t.Helper()
	require.Len(t, events, len(all))
	for i, e := range events {
		p := all[i]
		require.Equal(t, []string{p.ID, p.Type, p.Subject, "https://github.com"}, []string{e.ID, e.Type, e.Subject, e.Source})
		require.Equal(t, p.Data, string(e.Data), p.ID)
	}
}

func TestRealPayloadsAreReadBackByteForByte(t *testing.T) {
	all := real(t)
	everywhere(t, func(t *testing.T, server *app.Server) {
		publishAll(t, server, all)
		requireSame(t, all, read(t, server, "limit=50"))
		for i, e := range read(t, server, "limit=10000") {
			require.Equal(t, int64(i+1), e.Position)
		}

		backward := slices.Clone(all)
		slices.Reverse(backward)
		requireSame(t, backward, read(t, server, "direction=backward&limit=70"))

		requireByEach(t, server, all, "type", func(p payload) string { return p.Type })
		requireByEach(t, server, all, "subject", func(p payload) string { return p.Subject })

		both := slices.DeleteFunc(slices.Clone(all), func(p payload) bool {
			return p.Subject != "Codertocat/Hello-World" || p.Type != "issues" && p.Type != "push"
		})
		requireSame(t, both, read(t, server, "type=issues,push&subject=Codertocat%2FHello-World&limit=10000"))
		posted := server.Do(t, "POST", "/topics/github/query",
			`{"filter":[{"types":["issues","push"],"subjects":["Codertocat/Hello-World"]}],"limit":10000}`, "Content-Type", "application/json")
		var page struct{ Events []event }
		posted.JSON(t, &page)
		requireSame(t, both, page.Events)

		for _, query := range []string{"", "from=100&limit=150", "direction=backward&from=200&limit=77", "from=400", "type=issues,push&limit=20",
			"from=300&since=2020-01-01T00:00:00Z", "until=2020-01-01T00:00:00Z"} {
			requireLinesOfPages(t, server, query)
		}

		requireChain(t, server, all)
		repeated := server.Do(t, "POST", "/topics/github/events", "["+joined(all[:20])+"]", "Content-Type", "application/json")
		require.Equal(t, 200, repeated.Status, repeated.Body)
		require.Equal(t, 20, strings.Count(repeated.Body, `"duplicate":true`), repeated.Body)
	})
}

// requireLinesOfPages compares a query's answer as NDJSON with its page's events: the same bytes.
func requireLinesOfPages(t *testing.T, server *app.Server, query string) {
	t.Helper()
	lines := server.Do(t, "GET", "/topics/github/events?"+query, nil, "Accept", "application/x-ndjson")
	require.Equal(t, 200, lines.Status, lines.Body)
	if !strings.Contains(query, "limit=") {
		query += "&limit=10000"
	}
	answer := server.Do(t, "GET", "/topics/github/events?"+strings.TrimPrefix(query, "&"), nil)
	require.Equal(t, 200, answer.Status, answer.Body)
	var page struct{ Events []jsontext.Value }
	answer.JSON(t, &page)
	var want strings.Builder
	for _, e := range page.Events {
		want.Write(e)
		want.WriteByte('\n')
	}
	require.True(t, want.String() == lines.Body, "?%s: %d bytes of lines, %d of events", query, len(lines.Body), want.Len())
}

// requireByEach queries by every value that the payloads have.
func requireByEach(t *testing.T, server *app.Server, all []payload, parameter string, value func(payload) string) {
	t.Helper()
	groups := map[string][]payload{}
	for _, p := range all {
		groups[value(p)] = append(groups[value(p)], p)
	}
	delete(groups, "") // nothing can be asked for by it
	require.Greater(t, len(groups), 5)
	for name, group := range groups {
		requireSame(t, group, read(t, server, "limit=10000&"+parameter+"="+url.QueryEscape(name)))
	}
}

// requireChain streams the topic and computes its chain of hashes from the bytes alone.
func requireChain(t *testing.T, server *app.Server, all []payload) {
	t.Helper()
	stream := server.Do(t, "GET", "/topics/github/events", nil, "Accept", "application/x-ndjson")
	require.Equal(t, 200, stream.Status, stream.Body)
	require.Equal(t, "329", stream.Header.Get("Event-Head"))
	var previous [32]byte
	events := 0
	for line := range strings.Lines(stream.Body) {
		body, hash, found := strings.Cut(strings.TrimSuffix(line, "\n"), `,"hash":"`)
		require.True(t, found, line)
		previous = sha256.Sum256(append(previous[:], body+"}"...))
		require.Equal(t, hex.EncodeToString(previous[:])+`"}`, hash, "event %d", events+1)
		require.Contains(t, line, `,"data":`+all[events].Data+`,"hash"`)
		events++
	}
	require.Equal(t, 329, events)
	var verified struct {
		From, To, Verified, Head int64
		Hash                     string
		Broken                   *struct{}
	}
	server.Do(t, "GET", "/topics/github/verify", nil).JSON(t, &verified)
	require.Equal(t, []int64{1, 329, 329, 329}, []int64{verified.From, verified.To, verified.Verified, verified.Head})
	require.Equal(t, hex.EncodeToString(previous[:]), verified.Hash)
	require.Nil(t, verified.Broken)
}
