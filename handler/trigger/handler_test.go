package trigger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/logging"
	"eventstore/handler/trigger"
)

// captured is what a real host sent to a custom handler.
const captured = `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},` +
	`"Metadata":{"sys":{"MethodName":"azure","UtcNow":"2023-09-07T11:40:45.004275Z","RandGuid":"35e6e68c-0000-0000-0000-000000000000"}}}`

// call sends one request to a handler with the timer project, which does run.
func call(t *testing.T, log *slog.Logger, method, path, body string, run func(context.Context) error) *httptest.ResponseRecorder {
	t.Helper()
	handler := trigger.Handler([]trigger.Timer{{Name: "project", Run: run}}, log)
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("X-Azure-Functions-InvocationId", "forged, 0193a1f2")
	request.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

// requireReply checks what the host needs in order to end an invocation.
func requireReply(t *testing.T, answer *httptest.ResponseRecorder, status int) {
	t.Helper()
	require.Equal(t, status, answer.Code)
	require.Equal(t, "application/json", answer.Header().Get("Content-Type"))
	var reply map[string]any
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &reply))
	require.Equal(t, map[string]any{"Outputs": map[string]any{}, "Logs": []any{}, "ReturnValue": nil}, reply)
}

func TestACallIsAnsweredWithAReplyTheHostTakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		run    func(context.Context) error
		status int
	}{
		{"a run that succeeds", func(context.Context) error { return nil }, http.StatusOK},
		{"a run that fails", func(context.Context) error { return errors.New("no storage") }, http.StatusInternalServerError},
		{"a run that panics", func(context.Context) error { panic("broken") }, http.StatusInternalServerError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			requireReply(t, call(t, quiet, "POST", "/project", captured, tt.run), tt.status)
		})
	}
}

func TestTheEnvelopeIsReadLeniently(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, pastDue, last string }{
		{"a real one", captured, "false", ""},
		{"one with a status", `{"Data":{"timer":{"ScheduleStatus":{"Last":"2026-11-22T20:49:00+00:00","Next":"","LastUpdated":""},"IsPastDue":true}}}`, "true", "2026-11-22T20:49:00+00:00"},
		{"the time before the first run", `{"Data":{"timer":{"ScheduleStatus":{"Last":"0001-01-01T00:00:00"},"IsPastDue":true}}}`, "true", "0001-01-01T00:00:00"},
		{"a text that holds the object", `{"Data":{"timer":"{\"IsPastDue\":true}"}}`, "true", ""},
		{"another name of the binding", `{"Data":{"myTimer":{"isPastDue":true}}}`, "true", ""},
		{"a manual run", `{"Data":{"timer":""},"Metadata":{}}`, "false", ""},
		{"no data", `{}`, "false", ""},
		{"an empty body", ``, "false", ""},
		{"no JSON", `<html>`, "false", ""},
		{"half of one", captured[:60], "false", ""},
		{"one that is too long", `{"Data":{"timer":{"IsPastDue":true,"Pad":"` + strings.Repeat("x", 2<<20) + `"}}}`, "false", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ran := false
			var lines bytes.Buffer
			log := logging.New(&lines, slog.LevelDebug)
			requireReply(t, call(t, log, "POST", "/project", tt.body, func(context.Context) error { ran = true; return nil }), 200)
			require.True(t, ran)
			require.Contains(t, lines.String(), `"timer":"project","pastDue":`+tt.pastDue+`,"last":"`+tt.last+`","invocation":"0193a1f2","trace":"4bf92f3577b34da6a3ce929d0e0e4736"`)
		})
	}
}

func TestOnlyAPostOfATimersNameRunsIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/project", 405}, {"PUT", "/project", 405}, {"POST", "/project/", 404}, {"POST", "/Project", 404},
		{"POST", "/", 404}, {"POST", "/deliver", 404}, {"POST", "/project/x", 404},
	} {
		answer := call(t, quiet, tt.method, tt.path, captured, func(context.Context) error {
			t.Errorf("%s %s ran the timer", tt.method, tt.path)
			return nil
		})
		require.Equal(t, tt.status, answer.Code, "%s %s", tt.method, tt.path)
	}
}

func TestARunHasADeadline(t *testing.T) {
	t.Parallel()
	call(t, quiet, "POST", "/project", captured, func(ctx context.Context) error {
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		return nil
	})
}

func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{captured, `{"Data":{"timer":"{\"IsPastDue\":true}"}}`, `{"Data":{"a":{},"b":[]}}`, `{"Data":null}`, "\xff", `[[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ran := 0
		requireReply(t, call(t, quiet, "POST", "/project", string(body), func(context.Context) error { ran++; return nil }), 200)
		require.Equal(t, 1, ran)
	})
}
