package infra_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/functionshost"
	"eventstore/test/servers"
)

const (
	accountHost = "devstoreaccount1.blob.core.windows.net"
	clientID    = "5b1f3c2e-8f0a-4c55-9d4e-0f6f5a1c7e11"
	secret      = "the platform's own"
)

// identities stands in for App Service's token endpoint: it gives the app's identity tokens for storage, and refuses
// whoever is not the app.
type identities struct {
	*httptest.Server
	given   atomic.Int64
	refuses atomic.Bool
}

func newIdentities(t *testing.T) *identities {
	t.Helper()
	i := new(identities)
	i.Server = httptest.NewServer(http.HandlerFunc(i.answer))
	t.Cleanup(i.Close)
	return i
}

func (i *identities) answer(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	right := r.Header.Get("X-IDENTITY-HEADER") == secret && query.Get("api-version") == "2019-08-01" &&
		query.Get("client_id") == clientID && strings.TrimSuffix(query.Get("resource"), "/") == "https://storage.azure.com"
	if !right || i.refuses.Load() {
		http.Error(w, `{"statusCode":400,"message":"no such identity"}`, http.StatusBadRequest)
		return
	}
	i.given.Add(1)
	expires := time.Now().Add(24 * time.Hour)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":"https://storage.azure.com","token_type":"Bearer","client_id":%q}`, bearer(expires), expires.Unix(), clientID)
}

// bearer is a token that Azurite takes for Entra's; its signature is not looked at.
func bearer(expires time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	begun := time.Now().Add(-time.Hour).Unix()
	return part(`{"alg":"RS256","typ":"JWT"}`) + "." + part(fmt.Sprintf(
		`{"aud":"https://storage.azure.com","iss":"https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/","iat":%d,"nbf":%d,"exp":%d}`, begun, begun, expires.Unix())) + "." + part("signed")
}

// newNetwork is Azure's as the app sees it: a way to the storage account, and to nothing else.
func newNetwork(t *testing.T, account string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != accountHost+":443" {
			http.Error(w, "there is no way to "+r.Host, http.StatusForbidden)
			return
		}
		tunnel(w, account)
	}))
	t.Cleanup(server.Close)
	return server
}

func tunnel(w http.ResponseWriter, address string) {
	far, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		far.Close()
		return
	}
	io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(far, near); far.Close() }()
	go func() { io.Copy(near, far); near.Close() }()
}

// values are what Azure makes of the Bicep's expressions.
var values = map[string]string{
	"account.properties.primaryEndpoints.blob":         "https://" + accountHost + "/",
	"identityClientId":                                 clientID,
	"insights.properties.ConnectionString":             "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=https://example.invalid/",
	"'ClientId=${identityClientId};Authorization=AAD'": "ClientId=" + clientID + ";Authorization=AAD",
	"postgresUrl":     "postgres://id-abc@psql-abc.postgres.database.azure.com:5432/eventstore?sslmode=verify-full",
	"otlpEndpoint":    "http://127.0.0.1:1", // where nobody listens, which is to hold up nothing
	"otlpHeaders":     "api-key=x",
	"projectSchedule": "0 * * * * *", "deliverSchedule": "0 * * * * *", "replaySchedule": "0 * * * * *",
}

// deployed starts the staged app with the settings of the Bicep, all but sign-in, and what the platform adds.
func deployed(t *testing.T, identities *identities) *app.Server {
	t.Helper()
	storage, authority := servers.NewIdentityBlob(t, accountHost)
	settings := []string{
		"IDENTITY_ENDPOINT=" + identities.URL, "IDENTITY_HEADER=" + secret,
		"SSL_CERT_FILE=" + authority, "HTTPS_PROXY=" + newNetwork(t, storage.Host).URL, "NO_PROXY=",
	}
	for name, expression := range bicepSettings(t) {
		value, known := values[expression.Text]
		if !known && expression.Type == "string" && !strings.Contains(expression.Text, "$") {
			value, known = expression.content(), true
		}
		require.True(t, known, "what Azure makes of %s is not known", expression.Text)
		if name != "EVENTSTORE_AUTH" {
			settings = append(settings, name+"="+value)
		}
	}
	host, err := functionshost.Start(functionshost.Config{App: app.Staged(t), Mode: functionshost.Proxying, Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() {
		host.Close()
		if t.Failed() {
			t.Log(strings.Join(host.Console(), "\n"))
		}
	})
	return &app.Server{URL: host.URL, Key: host.HostKey, Host: host}
}

func TestTheStagedAppWorksWithTheBicepsSettingsAndItsIdentityAlone(t *testing.T) {
	t.Parallel()
	identities := newIdentities(t)
	server := deployed(t, identities)
	send := func(method, path, body string, status int) app.Answer {
		t.Helper()
		answer := server.Do(t, method, path, body, "Content-Type", "application/json")
		require.Equal(t, status, answer.Status, answer.Body)
		return answer
	}
	send("POST", "/topics", `{"name":"orders"}`, 201)
	require.Contains(t, send("GET", "/topics/orders", "", 200).Body, `"adapter":"blob"`)
	send("POST", "/topics/orders/events", `[{"type":"OrderPlaced","subject":"order-1","data":{"total":19.5}},{"type":"OrderShipped","subject":"order-1"}]`, 201)
	send("PUT", "/projections/totals", `{"topics":["orders"],"source":"({key: e => e.subject, on: {OrderPlaced: (doc, e) => e.data}})"}`, 201)
	for _, timer := range []string{"project", "deliver", "replay"} {
		require.NoError(t, server.Host.RunTimer(t.Context(), timer), timer)
	}
	server.Host.Restart() // what follows is from the storage
	require.Contains(t, send("GET", "/topics/orders/events", "", 200).Body, `"total":19.5`)
	require.JSONEq(t, `{"total":19.5}`, send("GET", "/projections/totals/documents?key=order-1&at-least=2&wait=30", "", 200).Body)
	require.Contains(t, send("GET", "/health", "", 200).Body, `"status":"ok"`)
	require.EqualValues(t, 2, identities.given.Load(), "one token for each process")

	// The database's connection is one that the binary takes; there is no way to it here.
	answer := send("POST", "/topics", `{"name":"payments","adapter":"postgres","connection":"%EVENTSTORE_POSTGRES%"}`, 503)
	require.Contains(t, answer.Body, "storage-unavailable")
}

func TestWithoutItsIdentityTheAppReachesNothing(t *testing.T) {
	t.Parallel()
	identities := newIdentities(t)
	identities.refuses.Store(true)
	server := deployed(t, identities)
	answer := server.Do(t, "GET", "/health", nil)
	require.Equal(t, 503, answer.Status, answer.Body)
	require.Contains(t, answer.Body, `"status":"unavailable"`)
	require.Zero(t, identities.given.Load())
}
