package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"eventstore/core"
)

const (
	testSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// receive serves handler until the test ends.
func receive(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestADeliveryIsSigned(t *testing.T) {
	t.Parallel()
	var header http.Header
	var body []byte
	server := receive(t, func(w http.ResponseWriter, r *http.Request) {
		header, body = r.Header, must(io.ReadAll(r.Body))
	})
	d := core.Delivery{Callback: server.URL, ID: "msg_1", Secrets: []string{testSecret, otherSecret}, Origin: "store.test",
		ContentType: "application/cloudevents+json", Body: []byte(`{"id":"é"}`)}
	answer, err := New(Config{Policy: Any}).Send(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, core.Answer{Status: 200}, answer)
	require.Equal(t, d.Body, body)
	require.Equal(t, "application/cloudevents+json", header.Get("Content-Type"))
	require.Equal(t, "store.test", header.Get("WebHook-Request-Origin"))
	require.Len(t, strings.Fields(header.Get("webhook-signature")), 2)
	for _, secret := range d.Secrets {
		judge, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		require.NoError(t, judge.Verify(body, header))
		require.Error(t, judge.Verify(append(body, ' '), header))
	}
	stranger, err := standardwebhooks.NewWebhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	require.NoError(t, err)
	require.Error(t, stranger.Verify(body, header))
}

func TestTheSpecificationsVector(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	d := core.Delivery{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Secrets: []string{testSecret}, Body: []byte(`{"test": 2432232314}`)}
	require.NoError(t, sign(header, d, time.Unix(1614265330, 0)))
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", header.Get("webhook-signature"))
	require.Equal(t, "1614265330", header.Get("webhook-timestamp"))
	require.Equal(t, d.ID, header.Get("webhook-id"))
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("thanks")) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	sender := New(Config{Policy: Any})
	for range 20 {
		_, err := sender.Send(t.Context(), delivery(server.URL))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, connections.Load())
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 20, 49, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		header map[string]string
		status int
		want   core.Answer
	}{
		{"a status is told", nil, 500, core.Answer{Status: 500}},
		{"410 is told", nil, 410, core.Answer{Status: 410}},
		{"Retry-After in seconds", map[string]string{"Retry-After": "120"}, 429, core.Answer{Status: 429, RetryAfter: 2 * time.Minute}},
		{"Retry-After as a date", map[string]string{"Retry-After": "Sun, 22 Nov 2026 20:50:30 GMT"}, 503, core.Answer{Status: 503, RetryAfter: 90 * time.Second}},
		{"a date that has passed says nothing", map[string]string{"Retry-After": "Sun, 22 Nov 2020 20:50:30 GMT"}, 503, core.Answer{Status: 503}},
		{"nonsense says nothing", map[string]string{"Retry-After": "soon"}, 503, core.Answer{Status: 503}},
		{"a negative number says nothing", map[string]string{"Retry-After": "-5"}, 503, core.Answer{Status: 503}},
		{"a number beyond all bounds says nothing", map[string]string{"Retry-After": "99999999999999999999"}, 503, core.Answer{Status: 503}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := receive(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tt.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(tt.status)
			})
			answer, err := New(Config{Policy: Any, Now: func() time.Time { return now }}).Send(t.Context(), delivery(server.URL))
			require.NoError(t, err)
			require.Equal(t, tt.want, answer)
		})
	}
}

func TestAReceiverThatDoesNotEndItsAnswerHasAnswered(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	for name, write := range map[string]func(w http.ResponseWriter, r *http.Request){
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat("x", 32<<10))
			for {
				n, err := w.Write(chunk)
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		},
		"silent": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := receive(t, write)
			began := time.Now()
			answer, err := New(Config{Policy: Any}).Send(t.Context(), delivery(server.URL))
			require.NoError(t, err)
			require.Equal(t, 200, answer.Status)
			require.Less(t, time.Since(began), 10*time.Second)
		})
	}
	require.Less(t, sent.Load(), int64(64<<20), "what is not read is soon not sent")
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	wrongTLS := httptest.NewTLSServer(answerOK)
	t.Cleanup(wrongTLS.Close)
	for _, tt := range []struct{ name, callback, want string }{
		{"nobody listens", closed.URL, "connection refused"},
		{"it hangs up", receive(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).URL, "the connection was closed without an answer"},
		{"its certificate is its own", wrongTLS.URL, "its certificate is signed by an unknown authority"},
		{"it does not speak TLS", strings.Replace(receive(t, answerOK.ServeHTTP).URL, "http:", "https:", 1), "it does not speak TLS as it should"},
		{"headers without end", receive(t, func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 300))
			}
		}).URL, "no answer that could be read"},
		{"not HTTP", garbage(t), "no answer that could be read"},
		{"a name that is not there", "http://nowhere.test/", "no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dns := names{}
			_, err := New(Config{Policy: Any, Resolver: dns.resolver(t)}).Send(t.Context(), delivery(tt.callback))
			require.EqualError(t, err, tt.want)
		})
	}
}

// garbage listens, and answers what is no HTTP.
func garbage(t *testing.T) string {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail.inside.corp ready\r\n"))
			_ = conn.Close()
		}
	}()
	return "http://" + socket.Addr().String()
}

func TestTheEndOfTheCallersContextIsNotTheReceiversFault(t *testing.T) {
	t.Parallel()
	server := receive(t, hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := New(Config{Policy: Any}).Send(ctx, delivery(server.URL))
	require.Equal(t, context.DeadlineExceeded, err)
}

func TestARightCertificateIsTrusted(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answerOK)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	answer, err := New(Config{Policy: Any, Roots: roots}).Send(t.Context(), delivery(server.URL))
	require.NoError(t, err)
	require.Equal(t, 204, answer.Status)
	dns := names{answers: map[string][]string{"other.test": {"127.0.0.1"}}}
	_, err = New(Config{Policy: Any, Roots: roots, Resolver: dns.resolver(t)}).
		Send(t.Context(), delivery(strings.Replace(server.URL, "127.0.0.1", "other.test", 1)))
	require.EqualError(t, err, "its certificate is for another host")
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	rate := 90
	sdk, err := cehttp.New(cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, rate, []string{"store.test"}, false))
	require.NoError(t, err)
	headers := func(pairs ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "OPTIONS /hook?key=1", r.Method+" "+r.URL.String())
			for i := 0; i < len(pairs); i += 2 {
				w.Header().Set(pairs[i], pairs[i+1])
			}
			w.WriteHeader(http.StatusTeapot)
		}
	}
	for _, tt := range []struct {
		name     string
		receiver http.HandlerFunc
		want     core.Permission
	}{
		{"the CloudEvents SDK's receiver agrees, with its rate", sdk.OptionsHandler, core.Permission{Verified: true, Rate: rate}},
		{"anyone may", headers("WebHook-Allowed-Origin", "*", "WebHook-Allowed-Rate", "*"), core.Permission{Verified: true}},
		{"this origin may, and the status means nothing", headers("WebHook-Allowed-Origin", "store.test"), core.Permission{Verified: true}},
		{"another origin may", headers("WebHook-Allowed-Origin", "other.test", "WebHook-Allowed-Rate", "10"), core.Permission{}},
		{"a rate that is none", headers("WebHook-Allowed-Origin", "*", "WebHook-Allowed-Rate", "0"), core.Permission{}},
		{"no headers", headers(), core.Permission{}},
		{"it hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, core.Permission{}},
		{"it takes longer than 3 s", hang, core.Permission{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := New(Config{Policy: Any}).Handshake(t.Context(), receive(t, tt.receiver).URL+"/hook?key=1", "store.test")
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the server sees the client leave only behind the body
	<-r.Context().Done()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
