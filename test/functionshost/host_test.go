package functionshost_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/functionshost"
)

const hostJSON = `{"version":"2.0","functionTimeout":"00:00:02","customHandler":{"description":{"defaultExecutablePath":"handler"},` +
	`"enableForwardingHttpRequest":true,"enableProxyingHttpRequest":true},"extensions":{"http":{"routePrefix":"","customHeaders":{"X-Frame-Options":"DENY"}}}}`

// http1 and timer are bindings of a function.json.
func http1(level, methods, route string) string {
	return `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","authLevel":"` + level + `","methods":[` + methods + `],"route":"` + route + `"},` +
		`{"type":"http","direction":"out","name":"res"}]}`
}

func timer(schedule string) string {
	return `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"` + schedule + `"}]}`
}

// stage writes an app with the functions that these tests need, changed by change (name to text; "" removes).
func stage(t *testing.T, change map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "handler")))
	files := map[string]string{
		"host.json":               hostJSON,
		"publish/function.json":   http1("function", `"post"`, "topics/{topic}/events"),
		"topics/function.json":    http1("function", `"get"`, "topics/{topic?}"),
		"open/function.json":      http1("anonymous", `"get","post"`, "open/{*rest}"),
		"manage/function.json":    http1("admin", `"get"`, "manage"),
		"tick/function.json":      timer("%TICK_SCHEDULE%"),
		"nothing/function.json":   timer("0 0 0 1 1 *"),
		"fails/function.json":     timer("0 0 0 1 1 *"),
		"text/function.json":      timer("%UNSET%"),
		"deep/down/function.json": http1("anonymous", `"get"`, "deep"),
	}
	for name, text := range change {
		files[name] = text
	}
	for name, text := range files {
		if text == "" {
			continue
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// start hosts the staged app.
func start(t *testing.T, mode functionshost.Mode, settings ...string) *functionshost.Host {
	t.Helper()
	host, err := functionshost.Start(functionshost.Config{App: stage(t, nil), Mode: mode, Settings: append(settings, "BE_THE_HANDLER=1")})
	require.NoError(t, err)
	t.Cleanup(host.Close)
	return host
}

// both runs a test in both modes.
func both(t *testing.T, test func(t *testing.T, mode functionshost.Mode)) {
	for _, mode := range []functionshost.Mode{functionshost.Forwarding, functionshost.Proxying} {
		t.Run(string(mode), func(t *testing.T) { t.Parallel(); test(t, mode) })
	}
}

func do(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

func get(t *testing.T, url, key string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if key != "" {
		request.Header.Set("x-functions-key", key)
	}
	return do(t, request)
}

// reach gets a path below /open and returns what the handler got.
func reach(t *testing.T, host *functionshost.Host, path string, header ...string) (got echo) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, host.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, body := do(t, request)
	require.Equal(t, 200, response.StatusCode, "%s", strings.Join(host.Console(), "\n"))
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	return got
}

func TestKeysAndRoutes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, mode functionshost.Mode) {
		host := start(t, mode)
		key := host.Key("topics")
		for _, tt := range []struct {
			name, method, path, key string
			status                  int
		}{
			{"the function's key", "GET", "/topics/orders", key, 200},
			{"the host's key", "GET", "/topics/orders", host.HostKey, 200},
			{"the master key", "GET", "/topics/orders", host.MasterKey, 200},
			{"a key in the query", "GET", "/topics/orders?code=" + key, "", 200},
			{"the header's key wins over the query's", "GET", "/topics/orders?code=" + key, "wrong", 401},
			{"another function's key", "GET", "/topics/orders", host.Key("publish"), 401},
			{"no key", "GET", "/topics/orders", "", 401},
			{"an anonymous function", "GET", "/open/a/b/c", "", 200},
			{"an admin function with the host's key", "GET", "/manage", host.HostKey, 401},
			{"an admin function with the master key", "GET", "/manage", host.MasterKey, 200},
			{"a method that is not listed", "DELETE", "/topics/orders", key, 404},
			{"HEAD where get is listed", "HEAD", "/topics/orders", key, 404},
			{"the optional parameter left out", "GET", "/topics", key, 200},
			{"a slash at the end", "GET", "/topics/orders/", key, 200},
			{"another case", "GET", "/Topics/orders", key, 200},
			{"a longer path", "GET", "/topics/orders/more", key, 404},
			{"an empty segment", "GET", "/topics//events", key, 404},
			{"a folder below a folder", "GET", "/deep", "", 404},
			{"a timer's name", "POST", "/tick", host.MasterKey, 404},
			{"dots that leave the route", "GET", "/topics/%2e%2e/open/x", "", 200},
			{"NUL", "GET", "/topics/a%00b", key, 400},
			{"the homepage", "GET", "/", "", 200},
		} {
			request, err := http.NewRequestWithContext(t.Context(), tt.method, host.URL+tt.path, nil)
			require.NoError(t, err)
			if tt.key != "" {
				request.Header.Set("x-functions-key", tt.key)
			}
			response, body := do(t, request)
			require.Equal(t, tt.status, response.StatusCode, tt.name)
			require.Equal(t, "DENY", response.Header.Get("X-Frame-Options"), tt.name)
			if tt.status != 200 {
				require.Empty(t, body, tt.name)
			}
		}
	})
}

func TestTheHandlersEnvironmentIsTheHosts(t *testing.T) {
	t.Parallel()
	host := start(t, functionshost.Proxying, "COLOUR=red", "COLOUR=green")
	got := reach(t, host, "/open/x")
	require.NotEmpty(t, got.Environment["FUNCTIONS_CUSTOMHANDLER_PORT"])
	require.Equal(t, got.Environment["FUNCTIONS_CUSTOMHANDLER_PORT"], got.Environment["FUNCTIONS_HTTPWORKER_PORT"])
	require.NotEmpty(t, got.Environment["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"])
	require.Equal(t, got.Dir, got.Environment["FUNCTIONS_APP_ROOT_PATH"])
	require.Equal(t, "green", got.Environment["COLOUR"])
	require.Equal(t, []string{"Information: listening"}, filter(host.Console(), "Information"))
	require.Equal(t, []string{"Warning: a warning"}, filter(host.Console(), "Warning"))
	require.Equal(t, []string{"Error: an error"}, filter(host.Console(), "Error"))
}

func filter(lines []string, level string) (found []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, level+":") {
			found = append(found, line)
		}
	}
	return found
}

func TestForwardingRebuildsTheRequest(t *testing.T) {
	t.Parallel()
	host := start(t, functionshost.Forwarding)
	for path, uri := range map[string]string{
		"/open/a?x=1&y=2&X=3": "/open/a?x=1%2C3&y=2",
		"/open/a?flag&b=a+b":  "/open/a?flag=&b=a%20b",
		"/open/a%20b/%C3%A9":  "/open/a%20b/%C3%A9",
		"/open/a%2Fb":         "/open/a%2Fb",
		"/open/a%252Fb":       "/open/a%2Fb",
		"/open/a%3Fb=c":       "/open/a?b=c",
		"/open/a%23b?x=1":     "/open/a",
		"/open/a%FFb":         "/open/a%FFb",
	} {
		require.Equal(t, uri, reach(t, host, path).URI, path)
	}
	got := reach(t, host, "/open/a", "X-Azure-Functions-InvocationId", "forged", "Content-Encoding", "gzip", "Content-Type", "text/plain", "X-Own", "kept", "User-Agent", "curl")
	require.Regexp(t, `^forged,0.*\d$`, got.Header.Get("X-Azure-Functions-InvocationId"))
	require.Equal(t, "curl Azure-Functions-Host/4.1037.0.0", got.Header.Get("User-Agent"))
	require.Equal(t, strings.TrimPrefix(host.URL, "http://"), got.Host)
	require.Equal(t, "kept", got.Header.Get("X-Own"))
	require.NotEmpty(t, got.Header.Get("traceparent"))
	for _, lost := range []string{"Content-Encoding", "Content-Type", "X-Forwarded-Host"} {
		require.Empty(t, got.Header.Get(lost), lost)
	}
}

func TestProxyingPassesTheRequestOn(t *testing.T) {
	t.Parallel()
	host := start(t, functionshost.Proxying)
	for path, uri := range map[string]string{
		"/open/a?x=1&y=2&X=3;4": "/open/a?x=1&y=2&X=3;4",
		"/open/a?flag&b=a+b":    "/open/a?flag&b=a+b",
		"/open/a%2Fb":           "/open/a%2Fb",
		"/open/a%3Fb=c":         "/open/a%3Fb=c",
	} {
		require.Equal(t, uri, reach(t, host, path).URI, path)
	}
	got := reach(t, host, "/open/a", "X-Azure-Functions-InvocationId", "forged", "X-Forwarded-Host", "forged", "Content-Encoding", "gzip", "User-Agent", "curl")
	require.Regexp(t, `^0.*\d$`, got.Header.Get("X-Azure-Functions-InvocationId"))
	require.Equal(t, "curl", got.Header.Get("User-Agent"))
	require.Equal(t, "gzip", got.Header.Get("Content-Encoding"))
	require.Equal(t, strings.TrimPrefix(host.URL, "http://"), got.Header.Get("X-Forwarded-Host"))
	require.Equal(t, "127.0.0.1:"+got.Environment["FUNCTIONS_CUSTOMHANDLER_PORT"], got.Host)
	require.NotEmpty(t, got.Header.Get("traceparent"))
}

func TestBodies(t *testing.T) {
	t.Parallel()
	send := func(t *testing.T, host *functionshost.Host, body io.Reader) (*http.Response, echo) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, host.URL+"/topics/a/events", body)
		require.NoError(t, err)
		request.Header.Set("x-functions-key", host.Key("publish"))
		request.Header.Set("Content-Type", "application/json")
		response, text := do(t, request)
		var got echo
		if response.StatusCode == 200 {
			require.NoError(t, json.Unmarshal([]byte(text), &got))
		}
		return response, got
	}
	both(t, func(t *testing.T, mode functionshost.Mode) {
		host := start(t, mode)
		_, got := send(t, host, strings.NewReader(`{"a":1}`))
		require.Equal(t, `{"a":1}`, got.Body)
		require.Equal(t, "7", got.Header.Get("Content-Length"))
		require.Equal(t, "application/json", got.Header.Get("Content-Type"))
		response, got := send(t, host, io.MultiReader(strings.NewReader("chunked")))
		if mode == functionshost.Forwarding {
			require.Equal(t, 500, response.StatusCode)
			return
		}
		require.Equal(t, "chunked", got.Body)
	})
}

func TestAnswersAreBufferedOrStreamed(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, mode functionshost.Mode) {
		host := start(t, mode)
		reach(t, host, "/open/ready")
		response, err := http.Get(host.URL + "/open/stream")
		require.NoError(t, err)
		defer response.Body.Close()
		lines := bufio.NewReader(response.Body)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		first := time.Now()
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, mode == functionshost.Proxying, time.Since(first) > 200*time.Millisecond)
		response, _ = get(t, host.URL+"/open/redirect", "")
		require.Equal(t, 302, response.StatusCode)
		require.Equal(t, []string{"a=1", "b=2"}, response.Header.Values("Set-Cookie"))
	})
}

func TestACallersGoingAwayIsToldByAProxyAlone(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, mode functionshost.Mode) {
		host := start(t, mode)
		reach(t, host, "/open/ready")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, host.URL+"/open/stuck", nil)
		require.NoError(t, err)
		_, err = http.DefaultClient.Do(request)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		told := func() bool { return slices.Contains(host.Console(), "Information: the caller is gone") }
		if mode == functionshost.Proxying {
			require.Eventually(t, told, time.Second, 10*time.Millisecond)
			return
		}
		require.Never(t, told, 300*time.Millisecond, 50*time.Millisecond)
	})
}

func TestACallThatExceedsTheTimeoutRestartsTheHandler(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, mode functionshost.Mode) {
		host := start(t, mode)
		before := reach(t, host, "/open/x").Pid
		for range 4 { // it is no crash, however often
			response, _ := get(t, host.URL+"/open/stuck", "")
			require.Equal(t, 500, response.StatusCode)
			if mode == functionshost.Forwarding {
				break // one is enough of the time
			}
		}
		require.NotEqual(t, before, reach(t, host, "/open/x").Pid)
	})
}

func TestTheHandlerIsStartedAgainByItsExitCode(t *testing.T) {
	t.Parallel()
	t.Run("killed twice it is started again, and the third time ends the host", func(t *testing.T) {
		t.Parallel()
		host := start(t, functionshost.Forwarding)
		for range 2 {
			before := reach(t, host, "/open/x").Pid
			host.Crash()
			require.NotEqual(t, before, reach(t, host, "/open/x").Pid)
		}
		host.Crash()
		require.Eventually(t, func() bool {
			response, _ := get(t, host.URL+"/open/x", "")
			return response.StatusCode == 503
		}, 5*time.Second, 20*time.Millisecond)
	})
	t.Run("with 200 it is started again, however often", func(t *testing.T) {
		t.Parallel()
		host := start(t, functionshost.Forwarding)
		for range 4 {
			response, _ := get(t, host.URL+"/open/exit-200", "")
			require.Equal(t, 500, response.StatusCode)
			require.Eventually(t, func() bool { // until the host has seen it end, calls fail
				response, _ := get(t, host.URL+"/open/x", "")
				return response.StatusCode == 200
			}, 5*time.Second, 5*time.Millisecond)
		}
	})
	t.Run("restarted by the host it is started again, however often", func(t *testing.T) {
		t.Parallel()
		host := start(t, functionshost.Proxying)
		for range 4 {
			host.Restart()
			reach(t, host, "/open/x")
		}
	})
	t.Run("with 0 it is not, and every call fails", func(t *testing.T) {
		t.Parallel()
		host := start(t, functionshost.Forwarding)
		for range 2 {
			response, _ := get(t, host.URL+"/open/exit-0", "")
			require.Equal(t, 500, response.StatusCode)
		}
	})
}

func TestTimers(t *testing.T) {
	t.Parallel()
	host := start(t, functionshost.Forwarding)
	require.NoError(t, host.RunTimer(t.Context(), "tick"))
	require.ErrorIs(t, host.RunTimer(t.Context(), "nothing"), functionshost.ErrHangs)
	require.ErrorContains(t, host.RunTimer(t.Context(), "fails"), "answered 500")
	require.ErrorContains(t, host.RunTimer(t.Context(), "text"), "MediaTypeFormatter")
	require.ErrorContains(t, host.RunTimer(t.Context(), "publish"), "no timer")
	got := filter(host.Console(), "Information")[1]
	require.Regexp(t, `^Information: tick got chunked \{"Data":\{"timer":\{"Schedule":\{"AdjustForDST":true\},"ScheduleStatus":\{"Last":"0001-01-01T00:00:00",.*"IsPastDue":false\}\},"Metadata":\{"sys":\{"MethodName":"tick",`, got)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, host.URL+"/admin/functions/tick", strings.NewReader(`{"input":""}`))
	require.NoError(t, err)
	response, _ := do(t, request)
	require.Equal(t, 401, response.StatusCode)
	request.Header.Set("x-functions-key", host.MasterKey)
	response, _ = do(t, request)
	require.Equal(t, 202, response.StatusCode)
}

func TestTimersRunOnTheirSchedules(t *testing.T) {
	t.Parallel()
	host, err := functionshost.Start(functionshost.Config{
		App: stage(t, nil), Mode: functionshost.Proxying, Timers: true, Settings: []string{"BE_THE_HANDLER=1", "TICK_SCHEDULE=* * * * * *"},
	})
	require.NoError(t, err)
	defer host.Close()
	ticks := func() int { return strings.Count(strings.Join(host.Console(), "\n"), "tick got") }
	require.Eventually(t, func() bool { return ticks() >= 2 }, 10*time.Second, 50*time.Millisecond)
	require.Contains(t, strings.Join(host.Console(), "\n"), "The listener for function 'Functions.text' was unable to start")
}

func TestFaultyAppsDoNotStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, text, says string }{
		{"no host.json", "host.json", "", "host.json"},
		{"another version", "host.json", strings.Replace(hostJSON, `"2.0"`, `"1.0"`, 1), "version"},
		{"a mistyped key", "host.json", strings.Replace(hostJSON, "functionTimeout", "functionTimeOut", 1), "functionTimeOut"},
		{"a wrong timeout", "host.json", strings.Replace(hostJSON, "00:00:02", "2s", 1), "functionTimeout"},
		{"one flag alone", "host.json", strings.Replace(hostJSON, `"enableProxyingHttpRequest":true`, `"enableProxyingHttpRequest":false`, 1), "enableProxyingHttpRequest"},
		{"a name with a dot", "a.b/function.json", http1("anonymous", `"get"`, "x"), "name"},
		{"an unknown level", "x/function.json", http1("everyone", `"get"`, "x"), "everyone"},
		{"a method in capitals", "x/function.json", http1("function", `"GET"`, "x"), "GET"},
		{"a route of the host's own", "x/function.json", http1("function", `"get"`, "admin/x"), "admin"},
		{"a parameter in a segment", "x/function.json", http1("function", `"get"`, "x/{a}.json"), "{a}.json"},
		{"an optional parameter in the middle", "x/function.json", http1("function", `"get"`, "x/{a?}/b"), "last"},
		{"no bindings", "x/function.json", `{"bindings":[]}`, "no trigger"},
		{"two triggers", "x/function.json", `{"bindings":[{"type":"timerTrigger","direction":"in","name":"t","schedule":"0 * * * * *"},{"type":"http","direction":"out","name":"res"}]}`, "neither"},
		{"a timer without a schedule", "x/function.json", timer(""), "schedule"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := functionshost.Start(functionshost.Config{App: stage(t, map[string]string{tt.file: tt.text}), Mode: functionshost.Proxying})
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func TestABodyThatIsCutNeverReachesTheHandler(t *testing.T) {
	t.Parallel()
	host := start(t, functionshost.Forwarding)
	connection, err := net.Dial("tcp", strings.TrimPrefix(host.URL, "http://"))
	require.NoError(t, err)
	io.WriteString(connection, "POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	require.NoError(t, connection.(*net.TCPConn).CloseWrite())
	io.Copy(io.Discard, connection)
	require.NoError(t, connection.Close())
	require.Empty(t, filter(host.Console(), "Error: invocation failed"))
}
