package core_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

func valid() core.Event {
	return core.Event{ID: "a", Type: "T", Source: "/s", DataContentType: "application/json", Data: "{}"}
}

func manyTags(n int) (tags []string) {
	for i := range n {
		tags = append(tags, fmt.Sprint("t", i))
	}
	return tags
}

func manyKeys(n int) string {
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	return "{" + strings.Join(keys, ",") + "}"
}

func TestWhatIsAccepted(t *testing.T) {
	for name, change := range map[string]func(*core.Event){
		"the least":                   func(*core.Event) {},
		"the longest id":              func(e *core.Event) { e.ID = strings.Repeat("😀", 256) },
		"the longest type":            func(e *core.Event) { e.Type = strings.Repeat("é", 256) },
		"the longest subject":         func(e *core.Event) { e.Subject = strings.Repeat("é", 512) },
		"the longest source":          func(e *core.Event) { e.Source = strings.Repeat("s", 512) },
		"a source with parts":         func(e *core.Event) { e.Source = "https://example.com/a?b=c#d" },
		"the most tags":               func(e *core.Event) { e.Tags = manyTags(32) },
		"the longest tag":             func(e *core.Event) { e.Tags = []string{strings.Repeat("é", 256)} },
		"the most keys":               func(e *core.Event) { e.Metadata = manyKeys(32) },
		"metadata of every kind":      func(e *core.Event) { e.Metadata = `{"a":"","b":1e400,"c":false,"dataschema":"x"}` },
		"an event of exactly one MiB": func(e *core.Event) { e.Data = sized(e, core.MaxEventSize) },
		"bytes":                       func(e *core.Event) { e.Data, e.DataBase64 = "", "AAE=" },
	} {
		event := valid()
		change(&event)
		require.NoError(t, event.Validate("events[3]"), name)
		require.NoError(t, event.CheckSize("events[3]"), name)
	}
}

// sized is a data string that makes the event n bytes long.
func sized(e *core.Event, n int) string {
	e.Data = `""`
	return `"` + strings.Repeat("x", n-e.Size()) + `"`
}

func TestWhatIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*core.Event)
		place  string
	}{
		"no id":                   {func(e *core.Event) { e.ID = "" }, "events[3].id"},
		"a long id":               {func(e *core.Event) { e.ID = strings.Repeat("é", 257) }, "events[3].id"},
		"a control in the id":     {func(e *core.Event) { e.ID = "a\n" }, "events[3].id"},
		"a C1 control in the id":  {func(e *core.Event) { e.ID = "a\u0085" }, "events[3].id"},
		"invalid UTF-8":           {func(e *core.Event) { e.ID = "a\xff" }, "events[3].id"},
		"no type":                 {func(e *core.Event) { e.Type = "" }, "events[3].type"},
		"a long type":             {func(e *core.Event) { e.Type = strings.Repeat("x", 257) }, "events[3].type"},
		"a DEL in the type":       {func(e *core.Event) { e.Type = "a\x7f" }, "events[3].type"},
		"no source":               {func(e *core.Event) { e.Source = "" }, "events[3].source"},
		"a long source":           {func(e *core.Event) { e.Source = strings.Repeat("x", 513) }, "events[3].source"},
		"a source with a space":   {func(e *core.Event) { e.Source = "a b" }, "events[3].source"},
		"a source with a bad %":   {func(e *core.Event) { e.Source = "/a%zz" }, "events[3].source"},
		"a long subject":          {func(e *core.Event) { e.Subject = strings.Repeat("x", 513) }, "events[3].subject"},
		"too many tags":           {func(e *core.Event) { e.Tags = manyTags(33) }, "events[3].tags"},
		"an empty tag":            {func(e *core.Event) { e.Tags = []string{"a", ""} }, "events[3].tags[1]"},
		"a long tag":              {func(e *core.Event) { e.Tags = []string{strings.Repeat("x", 257)} }, "events[3].tags[0]"},
		"a comma in a tag":        {func(e *core.Event) { e.Tags = []string{"a,b"} }, "events[3].tags[0]"},
		"a tag twice":             {func(e *core.Event) { e.Tags = []string{"a", "b", "a"} }, "events[3].tags[2]"},
		"data and dataBase64":     {func(e *core.Event) { e.DataBase64 = "AAE=" }, "events[3].dataBase64"},
		"base64 without padding":  {func(e *core.Event) { e.Data, e.DataBase64 = "", "AAE" }, "events[3].dataBase64"},
		"URL base64":              {func(e *core.Event) { e.Data, e.DataBase64 = "", "_-8=" }, "events[3].dataBase64"},
		"base64 with a line end":  {func(e *core.Event) { e.Data, e.DataBase64 = "", "AA\nE=" }, "events[3].dataBase64"},
		"base64 with loose bits":  {func(e *core.Event) { e.Data, e.DataBase64 = "", "AAF=" }, "events[3].dataBase64"},
		"metadata with an object": {func(e *core.Event) { e.Metadata = `{"a":{}}` }, "events[3].metadata"},
		"metadata with a null":    {func(e *core.Event) { e.Metadata = `{"a":null}` }, "events[3].metadata"},
		"metadata not an object":  {func(e *core.Event) { e.Metadata = `[]` }, "events[3].metadata"},
		"too many keys":           {func(e *core.Event) { e.Metadata = manyKeys(33) }, "events[3].metadata"},
		"an upper-case key":       {func(e *core.Event) { e.Metadata = `{"A":1}` }, "events[3].metadata"},
		"an empty key":            {func(e *core.Event) { e.Metadata = `{"":1}` }, "events[3].metadata"},
		"a key of the store":      {func(e *core.Event) { e.Metadata = `{"sequence":1}` }, "events[3].metadata.sequence"},
		"a key of CloudEvents":    {func(e *core.Event) { e.Metadata = `{"specversion":"1.0"}` }, "events[3].metadata.specversion"},
		"a control in metadata":   {func(e *core.Event) { e.Metadata = `{"a":"\u0007"}` }, "events[3].metadata.a"},
	} {
		event := valid()
		tt.change(&event)
		var invalid *core.InvalidError
		require.ErrorAs(t, event.Validate("events[3]"), &invalid, name)
		require.Equal(t, tt.place, invalid.Place, name)
		require.NotEmpty(t, invalid.Reason, name)
	}
}

func TestAnEventOverOneMiBIsTooLarge(t *testing.T) {
	event := valid()
	event.Data = sized(&event, core.MaxEventSize+1)
	var large *core.TooLargeError
	require.ErrorAs(t, event.CheckSize(""), &large)
	event = valid()
	event.Metadata = `{"k":"` + strings.Repeat(`\"`, core.MaxEventSize/2) + `"}`
	require.ErrorAs(t, event.CheckSize(""), &large, "escapes count")
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-22T20:49:00Z":                "2026-11-22T20:49:00.000000Z",
		"2026-11-22T20:49:00.1234567+02:00":   "2026-11-22T18:49:00.123456Z",
		"2026-11-22t20:49:00z":                "2026-11-22T20:49:00.000000Z",
		"0000-01-01T00:00:00Z":                "0000-01-01T00:00:00.000000Z",
		"9999-12-31T23:59:59.999999999Z":      "9999-12-31T23:59:59.999999Z",
		"1969-12-31T23:59:59.999999999-00:00": "1969-12-31T23:59:59.999999Z",
	} {
		got, err := core.ParseTime(text)
		require.NoError(t, err)
		require.Equal(t, want, core.FormatTime(got))
	}
	for _, text := range []string{"", "now", "2026-11-22", "2026-11-22 20:49:00Z", "2026-11-22T20:49:00", "2026-02-30T00:00:00Z",
		"2026-11-22T24:00:00Z", "2026-11-22T20:49:60Z", "2026-11-22T2:49:00Z", "2026-11-22T20:49:00,5Z", "2026-11-22T20:49:00+25:00",
		"0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z", "12026-11-22T20:49:00Z", "2026-11-22T20:49:00Z\xff"} {
		_, err := core.ParseTime(text)
		require.Error(t, err, "%q", text)
	}
}

func TestBoundsLieWhereTheTextSaysAmongStoredTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-22T20:49:00.123456+01:00":    "2026-11-22T19:49:00.123456Z",
		"2026-11-22T20:49:00.1234561Z":        "2026-11-22T20:49:00.123457Z",
		"2026-11-22T20:49:59.999999001Z":      "2026-11-22T20:50:00.000000Z",
		"1969-12-31T23:59:59.999999999-00:00": "1970-01-01T00:00:00.000000Z",
		"0001-01-01T00:00:00Z":                "0001-01-01T00:00:00.000001Z", // the zero time would be no bound
		"9999-12-31T23:59:59.9999999Z":        "9999-12-31T23:59:59.999999Z",
	} {
		got, err := core.ParseBound(text)
		require.NoError(t, err)
		require.Equal(t, want, core.FormatTime(got), text)
	}
	for _, text := range []string{"", "now", "2026-11-22 20:49:00Z", "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"} {
		_, err := core.ParseBound(text)
		require.Error(t, err, "%q", text)
	}
}

func TestCompactJSON(t *testing.T) {
	deep := strings.Repeat("[", core.MaxDepth) + strings.Repeat("]", core.MaxDepth)
	for text, want := range map[string]string{
		" { \"b\" : 1.0e5 , \"a\" : [ \"\\u00e9\\/ \" , null ] } ": `{"b":1.0e5,"a":["\u00e9\/ ",null]}`,
		"12345678901234567890.10":                                  "12345678901234567890.10",
		`"\ud83d\ude00"`:                                           `"\ud83d\ude00"`,
		`"]]]["`:                                                   `"]]]["`,
		deep:                                                       deep,
	} {
		got, err := core.CompactJSON([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "{", `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":1,"\u0061":2}`, "\"\xff\"", `"\ud800"`, `"\ude00\ud83d"`,
		"1 2", "{}x", "01", "NaN", "'a'", "[1,]", "\"\n\"", "[" + deep + "]", strings.Repeat("[", 10_000)} {
		_, err := core.CompactJSON([]byte(text))
		require.Error(t, err, "%.40q", text)
	}
}
