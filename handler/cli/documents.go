package cli

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

func documentsCommand(w World) *cobra.Command {
	c := asking(w, "documents NAME", "write a projection's documents, one a line: its key and its value", cobra.ExactArgs(1), (*talk).documents, projectionNames)
	c.Flags().String("key", "", "write the value of the document of this `key` alone")
	c.Flags().String("prefix", "", "documents whose keys begin with this `text`")
	c.Flags().String("at-least", "", "only when they hold the events up to this `position` (or orders:42,payments:7)")
	c.Flags().Int64("wait", 0, "the `seconds`, up to 60, to wait until they do")
	return c
}

func (t *talk) documents(args []string) error {
	query, path := url.Values{}, projectionPath(args[0], "documents")
	for _, name := range []string{"key", "prefix", "at-least"} {
		if t.given(name) {
			query.Set(name, t.text(name))
		}
	}
	if t.given("wait") {
		query.Set("wait", strconv.FormatInt(t.number("wait"), 10))
	}
	if t.given("key") {
		return t.relay(http.MethodGet, withQuery(path, query), nil)
	}
	return t.pages(t.ctx, path, "documents", query, func(document jsontext.Value) error { return t.say(document) })
}
