package blob_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/core"
)

const secret = "c2VjcmV0LWtleQ=="

func TestParseAccount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ connection, endpoint, wrong string }{
		{"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=" + secret + ";EndpointSuffix=core.windows.net", "https://acct.blob.core.windows.net", ""},
		{"AccountName=acct;AccountKey=" + secret, "https://acct.blob.core.windows.net", ""},
		{" accountname=acct; accountkey=" + secret + ";\n", "https://acct.blob.core.windows.net", ""},
		{"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;AccountName=devstoreaccount1;AccountKey=" + secret, "http://127.0.0.1:10000/devstoreaccount1", ""},
		{"BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=" + secret, "https://acct.blob.core.windows.net/", ""},
		{"UseDevelopmentStorage=true", "http://127.0.0.1:10000/devstoreaccount1", ""},
		{"https://acct.blob.core.windows.net", "https://acct.blob.core.windows.net", ""},
		{"https://acct.blob.core.windows.net/?sv=1&sig=" + secret, "https://acct.blob.core.windows.net/", ""},
		{"http://127.0.0.1:10000/devstoreaccount1?sv=1&sig=" + secret, "http://127.0.0.1:10000/devstoreaccount1", ""},

		{"acct", "", "neither a connection string"},
		{"", "", "neither a connection string"},
		{"@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/" + secret + ")", "", "Key Vault reference that was not resolved"},
		{"http://acct.blob.core.windows.net", "", "must begin with https://"},
		{"https://acct.blob.core.windows.net/container", "", "the container goes into options.container"},
		{"https://user:" + secret + "@acct.blob.core.windows.net", "", "has a user"},
		{"https://acct.blob.core.windows.net/?key=" + secret, "", "no shared access signature"},
		{"https://", "", "is not a URL"},
		{"AccountName=acct", "", "neither AccountKey nor SharedAccessSignature"},
		{"AccountKey=" + secret, "", "neither AccountName nor BlobEndpoint"},
		{"AccountName=acct;AccountKey=" + secret + "!", "", "AccountKey is not base64"},
		{"AccountName=acct;" + secret[:8], "", "NAME=VALUE"},
		{"BlobEndpoint=ftp://x;AccountName=a;AccountKey=" + secret, "", "do not make an http(s) URL"},
		{"AccountName=a b/" + secret + ":x;AccountKey=" + secret, "", "do not make an http(s) URL"},
	} {
		account, err := blob.ParseAccount("place", tt.connection)
		if tt.wrong == "" {
			require.NoError(t, err, tt.connection)
			require.Equal(t, tt.endpoint, account.Endpoint(), tt.connection)
			continue
		}
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid, tt.connection)
		require.Equal(t, "place", invalid.Place)
		require.Contains(t, invalid.Reason, tt.wrong, tt.connection)
		require.NotContains(t, err.Error(), secret[:8], "%s: a secret is told", tt.connection)
	}
}

func TestAccountFromSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings               map[string]string
		endpoint, place, wrong string
	}{
		{map[string]string{"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, "http://127.0.0.1:10000/devstoreaccount1", "", ""},
		{map[string]string{"AzureWebJobsStorage__blobServiceUri": "https://acct.blob.core.windows.net"}, "https://acct.blob.core.windows.net", "", ""},
		{map[string]string{"AzureWebJobsStorage__blobServiceUri": "https://acct.blob.core.windows.net", "AzureWebJobsStorage__credential": "managedidentity"}, "https://acct.blob.core.windows.net", "", ""},
		{map[string]string{"AzureWebJobsStorage__accountName": "acct"}, "https://acct.blob.core.windows.net", "", ""},
		{map[string]string{}, "", "AzureWebJobsStorage", "is not set"},
		{map[string]string{"AzureWebJobsStorage": "nonsense"}, "", "AzureWebJobsStorage", "neither a connection string"},
		{map[string]string{"AzureWebJobsStorage__accountName": "a/b"}, "", "AzureWebJobsStorage__accountName", "no account's name"},
		{map[string]string{"AzureWebJobsStorage__accountName": "acct", "AzureWebJobsStorage__credential": "key"}, "", "AzureWebJobsStorage__credential", "managedidentity"},
		{map[string]string{"AzureWebJobsStorage__blobServiceUri": "acct.blob.core.windows.net"}, "", "AzureWebJobsStorage__blobServiceUri", "https://ACCOUNT"},
		{map[string]string{"AzureWebJobsStorage__blobServiceUri": "http://acct.blob.core.windows.net"}, "", "AzureWebJobsStorage__blobServiceUri", "https://"},
	} {
		getenv := func(name string) string { return tt.settings[name] }
		account, err := blob.AccountFromSettings(getenv)
		require.Equal(t, len(tt.settings) > 0, blob.HasAccount(getenv))
		if tt.wrong == "" {
			require.NoError(t, err)
			require.Equal(t, tt.endpoint, account.Endpoint())
			continue
		}
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid, "%v", tt.settings)
		require.Equal(t, tt.place, invalid.Place)
		require.Contains(t, invalid.Reason, tt.wrong)
	}
}

func TestNewCredential(t *testing.T) {
	t.Parallel()
	for _, settings := range []map[string]string{
		{},
		{"IDENTITY_ENDPOINT": "http://127.0.0.1:1/"},
		{"AzureWebJobsStorage__credential": "managedidentity", "AzureWebJobsStorage__clientId": "11111111-1111-1111-1111-111111111111"},
		{"IDENTITY_ENDPOINT": "http://127.0.0.1:1/", "AZURE_CLIENT_ID": "11111111-1111-1111-1111-111111111111"},
	} {
		credential, err := blob.NewCredential(func(name string) string { return settings[name] })
		require.NoError(t, err)
		require.NotNil(t, credential)
	}
}

// tokens is a credential that counts how often it was asked.
type tokens struct{ asked int }

func (c *tokens) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked++
	return azcore.AccessToken{Token: "token-" + secret}, nil
}

func TestATokenGoesToKnownHostsAlone(t *testing.T) {
	t.Parallel()
	credential := &tokens{}
	client := &blob.Client{Credential: credential, EntraHosts: []string{"Blob.example.com"}}
	for host, allowed := range map[string]bool{
		"acct.blob.core.windows.net": true, "ACCT.blob.core.windows.NET": true, "blob.example.com": true,
		"blob.core.windows.net": false, "evil-blob.core.windows.net.example.com": false, "xblob.core.windows.net": false,
		"acct.blob.core.windows.net.": false, "sub.blob.example.com": false, "127.0.0.1": false,
	} {
		account, err := blob.ParseAccount("connection", "https://"+host)
		require.NoError(t, err)
		_, err = blob.NewDocuments(client, account, "container")
		var invalid *core.InvalidError
		require.Equal(t, !allowed, err != nil, host)
		if !allowed {
			require.ErrorAs(t, err, &invalid)
			require.Contains(t, invalid.Reason, "EVENTSTORE_ENTRA_HOSTS")
		}
	}
	account, err := blob.ParseAccount("connection", "https://acct.blob.core.windows.net")
	require.NoError(t, err)
	_, err = blob.NewDocuments(new(blob.Client), account, "container")
	require.ErrorContains(t, err, "no Entra identity")
	require.Zero(t, credential.asked)
}

// refusing answers every request as one whose key or signature is wrong is answered.
type refusing struct{ authorization []string }

func (r *refusing) Do(req *policy.Request) (*http.Response, error) {
	r.authorization = append(r.authorization, req.Raw().URL.RawQuery)
	return &http.Response{StatusCode: 403, Request: req.Raw(), Body: http.NoBody, Header: http.Header{"X-Ms-Error-Code": {"AuthenticationFailed"}}}, nil
}

func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	refused := &refusing{}
	for name, tt := range map[string]struct {
		connection string
		policies   []policy.Policy
		want       string
	}{
		"a refused signature":  {"https://127.0.0.1:1/?sv=1&sig=" + secret, []policy.Policy{refused}, "403 AuthenticationFailed"},
		"an unreachable host":  {"http://127.0.0.1:1/?sv=1&sig=" + secret, nil, "connection refused"},
		"a host without name":  {"https://none.invalid/?sv=1&sig=" + secret, nil, "none.invalid"},
		"a refused key":        {"BlobEndpoint=http://127.0.0.1:1;AccountName=acct;AccountKey=" + secret, []policy.Policy{refused}, "403"},
		"an unreachable host ": {"BlobEndpoint=http://127.0.0.1:1;AccountName=acct;AccountKey=" + secret, nil, "connection refused"},
	} {
		account, err := blob.ParseAccount("connection", tt.connection)
		require.NoError(t, err, name)
		d, err := blob.NewDocuments(&blob.Client{Policies: tt.policies}, account, "container")
		require.NoError(t, err, name)
		_, err = d.Get(t.Context(), "c", "k")
		require.ErrorIs(t, err, core.ErrUnavailable, name)
		require.ErrorContains(t, err, tt.want, name)
		require.NotContains(t, err.Error(), secret, name)
		_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("v")})
		require.ErrorIs(t, err, core.ErrUnavailable, "%s: what was never taken was not kept", name)
		require.NotContains(t, err.Error(), secret, name)
	}
	require.True(t, strings.Contains(strings.Join(refused.authorization, ""), "sig="), "the signature was sent")
}
