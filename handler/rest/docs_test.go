package rest_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// blocks are the fenced blocks of a page: their kind, and what they hold.
var blocks = regexp.MustCompile("(?ms)^```(js|json|http) ?([0-9]*)\n(.*?)^```$")

// TestTheWorkedExampleWorks sends every request of docs/projections.md, in order, and compares the answers that the page has.
func TestTheWorkedExampleWorks(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/projections.md")
	require.NoError(t, err)
	a, source, got := newAPI(t), "", answer{}
	sent, compared := 0, 0
	for _, block := range blocks.FindAllStringSubmatch(string(page), -1) {
		switch block[1] {
		case "js":
			text, err := json.Marshal(block[3])
			require.NoError(t, err)
			source = string(text)
		case "http":
			got = sendBlock(t, a, strings.ReplaceAll(block[3], "<source>", source), block[2])
			sent++
		case "json":
			require.JSONEq(t, block[3], got.body)
			compared++
		}
	}
	require.Equal(t, []int{9, 3}, []int{sent, compared})
}

func sendBlock(t *testing.T, a *api, block, status string) answer {
	t.Helper()
	line, body, _ := strings.Cut(block, "\n")
	method, path, ok := strings.Cut(line, " ")
	require.True(t, ok, line)
	headers := []string{}
	if body = strings.TrimSpace(body); body != "" {
		headers = append(headers, "Content-Type", "application/json")
	}
	want, err := strconv.Atoi(status)
	require.NoError(t, err)
	return a.do(method, path, body, headers...).is(want)
}
