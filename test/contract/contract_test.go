package contract_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/contract"
)

// redocly runs a command of @redocly/cli.
func redocly(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "node", append([]string{"node_modules/@redocly/cli/bin/cli.js"}, arguments...)...)
	command.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1")
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestTheDescriptionAndTheWorkflowsBreakNoRule(t *testing.T) {
	t.Parallel()
	output, err := redocly(t, "lint", "../../handler/rest/openapi.json", "workflows.arazzo.yaml", "--config", "redocly.yaml")
	require.NoError(t, err, output)
	wrong := filepath.Join(t.TempDir(), "openapi.json")
	text, err := os.ReadFile("../../handler/rest/openapi.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(wrong, []byte(strings.Replace(string(text), `"operationId": "publish"`, `"operationId": "query"`, 1)), 0o600))
	output, err = redocly(t, "lint", wrong, "--config", "redocly.yaml")
	require.Error(t, err)
	require.Contains(t, output, "operation-operationId-unique")
}

func TestTheWorkflowsPassAgainstTheRunningBinary(t *testing.T) {
	t.Parallel()
	server := app.Local(t)
	output, err := redocly(t, "respect", "workflows.arazzo.yaml", "--server", "api="+server.URL)
	require.NoError(t, err, output)
	require.Regexp(t, regexp.MustCompile(`Checks: 1\d\d passed, 1\d\d total`), output)
	require.Contains(t, output, "Workflows: 3 passed, 3 total")
}

func TestWhatIsNotDescribedIsFound(t *testing.T) {
	t.Parallel()
	answer := func(status int, kind, body string) contract.Answer {
		return contract.Answer{Status: status, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body)}
	}
	const json, problem = "application/json", "application/problem+json"
	for _, tt := range []struct {
		name, method, path string
		body               string
		got                contract.Answer
		wrong              string
	}{
		{"a described answer", "GET", "/topics", "", answer(200, json, `{"topics":[]}`), ""},
		{"a field of another type", "GET", "/topics", "", answer(200, json, `{"topics":{}}`), "not as described"},
		{"a field that is not described", "GET", "/topics", "", answer(200, json, `{"topics":[],"more":1}`), "not as described"},
		{"a status that is not described", "GET", "/topics", "", answer(402, problem, `{}`), "not as described"},
		{"another media type", "GET", "/topics", "", answer(200, "text/html", `{"topics":[]}`), "not as described"},
		{"an accepted request that is not allowed", "POST", "/topics", `{"nome":"orders"}`, answer(201, json, `{"name":"orders","adapter":"fs"}`), "does not allow"},
		{"a path that is none", "GET", "/nowhere", "", answer(200, json, `{}`), "not described"},
		{"a path that is none, without a problem", "GET", "/nowhere", "", answer(404, "text/plain", `not found`), "without a problem"},
		{"a path that is none, with one", "GET", "/nowhere", "", answer(404, problem, `{"type":"/problems/route-not-found","title":"There is no such path","status":404,"code":"route-not-found","detail":"none"}`), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://127.0.0.1:1"+tt.path, nil)
			require.NoError(t, err)
			if tt.body != "" {
				request.Header.Set("Content-Type", json)
			}
			err = contract.Check(request, []byte(tt.body), tt.got)
			if tt.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.wrong)
		})
	}
}
