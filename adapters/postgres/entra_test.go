package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/postgres"
	"eventstore/core"
)

// tokens is a credential that gives another token each time.
type tokens struct {
	t     *testing.T
	given atomic.Int64
}

func (c *tokens) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	require.Equal(c.t, []string{"https://ossrdbms-aad.database.windows.net/.default"}, options.Scopes)
	return azcore.AccessToken{Token: fmt.Sprint("token-", c.given.Add(1)), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// passwords is a server that asks for a password over TLS, tells it and refuses. It returns
// its port and the file of its certificate's authority.
func passwords(t *testing.T) (told <-chan string, port int, authority string) {
	t.Helper()
	certificate, authority := selfSigned(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	asked := make(chan string, 10)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go askPassword(client, certificate, asked)
		}
	}()
	return asked, listener.Addr().(*net.TCPAddr).Port, authority
}

func askPassword(client net.Conn, certificate tls.Certificate, asked chan<- string) {
	defer client.Close()
	if _, err := pgproto3.NewBackend(client, client).ReceiveStartupMessage(); err != nil { // an SSLRequest
		return
	}
	client.Write([]byte("S"))
	secure := tls.Server(client, &tls.Config{Certificates: []tls.Certificate{certificate}})
	backend := pgproto3.NewBackend(secure, secure)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	backend.Flush()
	backend.SetAuthType(pgproto3.AuthTypeCleartextPassword)
	if message, err := backend.Receive(); err == nil {
		asked <- message.(*pgproto3.PasswordMessage).Password
	}
	backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28P01", Message: "no"})
	backend.Flush()
}

// selfSigned is a certificate for localhost, and a file that vouches for it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "authority.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}, file
}

func openAt(t *testing.T, config postgres.Config, connection string) error {
	t.Helper()
	topics := newTopics(t, config)
	completed, err := topics.Complete(core.TopicConfig{Name: "orders", Connection: connection})
	require.NoError(t, err)
	_, _, err = topics.Open(t.Context(), completed, "")
	return err
}

func TestATokenIsThePasswordOfEachNewConnection(t *testing.T) {
	t.Parallel()
	told, port, authority := passwords(t)
	config := postgres.Config{Credential: &tokens{t: t}, EntraHosts: []string{"LOCALHOST"}}
	err := openAt(t, config, fmt.Sprintf("postgres://app@localhost:%d/events?sslmode=verify-full&sslrootcert=%s", port, authority))
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.Equal(t, "token-1", <-told)
	require.Equal(t, "token-2", <-told, "the second try is a connection of its own")
	require.NotContains(t, err.Error(), "token-")
}

func TestATokenIsSentOnlyWhereItBelongs(t *testing.T) {
	t.Setenv("PGPASSWORD", "the instance's own")
	for name, tt := range map[string]struct {
		hosts    []string
		settings string
		sent     string // "" for nothing but an empty password
	}{
		"a host that is not named":         {nil, "user=app sslmode=verify-full", ""},
		"a host that ends like Azure's":    {[]string{"postgres.database.azure.com"}, "user=app sslmode=verify-full", ""},
		"a password of its own, elsewhere": {[]string{"localhost"}, "user=app password=mine sslmode=verify-full", "mine"},
	} {
		told, port, authority := passwords(t)
		err := openAt(t, postgres.Config{Credential: &tokens{t: t}, EntraHosts: tt.hosts},
			fmt.Sprintf("host=localhost port=%d dbname=events sslrootcert=%s %s", port, authority, tt.settings))
		require.ErrorIs(t, err, core.ErrUnavailable, name)
		require.Equal(t, tt.sent, <-told, name)
	}
}

func TestWithoutAPasswordAzureNeedsVerifiedTLSAndAnIdentity(t *testing.T) {
	t.Parallel()
	some := &tokens{t: t}
	for name, tt := range map[string]struct {
		config     postgres.Config
		connection string
		says       string
	}{
		"TLS that is not verified": {postgres.Config{Credential: some}, "postgres://app@db.postgres.database.azure.com/events?sslmode=require", "verify-full"},
		"TLS as it comes":          {postgres.Config{Credential: some}, "postgres://app@DB.Postgres.Database.Azure.com./events", "verify-full"},
		"no TLS":                   {postgres.Config{Credential: some, EntraHosts: []string{"db"}}, "postgres://app@db/events?sslmode=disable", "verify-full"},
		"no identity":              {postgres.Config{}, "postgres://app@db.postgres.database.azure.com/events?sslmode=verify-full", "identity"},
	} {
		err := openAt(t, tt.config, tt.connection)
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.Contains(t, invalid.Reason, tt.says, name)
	}
	require.Zero(t, some.given.Load())
}
