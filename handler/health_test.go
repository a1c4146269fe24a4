package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthIsAskedFromOutside(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/health", r.URL.Path)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"status":"told"}`))
	}))
	defer server.Close()
	ask := func(settings ...string) (stdout, stderr string, code int) {
		var out, errs bytes.Buffer
		code = exitCode(run(t.Context(), []string{"health"}, environment(settings...), &out, &errs), &errs)
		return out.String(), errs.String(), code
	}
	stdout, _, code := ask("EVENTSTORE_URL", server.URL+"/")
	require.Zero(t, code)
	require.JSONEq(t, `{"status":"told"}`, stdout)

	stdout, _, code = ask("EVENTSTORE_LISTEN", strings.TrimPrefix(server.URL, "http://"))
	require.Zero(t, code, "the instance that these settings would start")
	require.JSONEq(t, `{"status":"told"}`, stdout)

	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	_, stderr, code := ask("EVENTSTORE_LISTEN", "0.0.0.0:"+port, "EVENTSTORE_KEYS", "admin=k")
	require.Zero(t, code, stderr)

	status = http.StatusServiceUnavailable
	_, stderr, code = ask("EVENTSTORE_URL", server.URL)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "503")

	server.Close()
	_, stderr, code = ask("EVENTSTORE_URL", server.URL)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "asking "+server.URL)
	_, stderr, code = ask("EVENTSTORE_URL", "ftp://x")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "EVENTSTORE_URL")
}
