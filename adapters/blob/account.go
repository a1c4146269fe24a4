// Package blob keeps topics and documents in Azure Blob Storage. See README.md for
// the life of an append, what it costs and the roles that it needs.
package blob

import (
	"encoding/base64"
	"net/url"
	"strings"

	"eventstore/core"
)

// Account is how a storage account is reached: with its key, with a shared access
// signature, or, holding neither, with an Entra identity. It has no String: it holds secrets.
type Account struct {
	endpoint  *url.URL // of the blob service, without a query
	name, key string
	signature string // a query
}

// developmentStorage is what UseDevelopmentStorage=true stands for: the well-known account
// of an emulator on this machine.
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1"

// ParseAccount reads a connection: a connection string as the portal shows it, or a service
// URL (with a shared access signature as its query, or to be used with Entra identity). Its errors
// are *core.InvalidError with that place, and hold no secret.
func ParseAccount(place, connection string) (Account, error) {
	switch {
	case strings.HasPrefix(connection, "@Microsoft.KeyVault("):
		return Account{}, core.Invalid(place, "is a Key Vault reference that was not resolved: "+
			"check that the secret exists and that the app's identity may read it")
	case strings.HasPrefix(connection, "https://"), strings.HasPrefix(connection, "http://"):
		return parseURL(place, connection)
	case strings.Contains(connection, "="):
		return parseConnectionString(place, connection)
	}
	return Account{}, core.Invalid(place, "is neither a connection string (AccountName=…;AccountKey=…) nor a service URL (https://ACCOUNT.blob.core.windows.net)")
}

func parseURL(place, connection string) (Account, error) {
	u, err := url.Parse(connection)
	if err != nil || u.Host == "" {
		return Account{}, core.Invalid(place, "is not a URL of the form https://ACCOUNT.blob.core.windows.net")
	}
	if u.User != nil || u.Fragment != "" {
		return Account{}, core.Invalid(place, "the service URL has a user or a fragment, which it may not have")
	}
	if path := strings.Trim(u.Path, "/"); path != "" && !emulatorPath(u, path) {
		return Account{}, core.Invalid(place, "the service URL has the path /%s; it is the account's URL alone, the container goes into options.container", path)
	}
	account := Account{endpoint: &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}, signature: u.RawQuery}
	if account.signature != "" && !u.Query().Has("sig") {
		return Account{}, core.Invalid(place, "the service URL has a query that is no shared access signature: it has no sig")
	}
	if account.signature == "" && u.Scheme != "https" {
		return Account{}, core.Invalid(place, "the service URL %s must begin with https:// to be used with Entra identity", account.endpoint)
	}
	return account, nil
}

// emulatorPath: an emulator has the account's name in the path instead of the host.
func emulatorPath(u *url.URL, path string) bool {
	return !strings.Contains(path, "/") && (u.Hostname() == "localhost" || strings.Trim(u.Hostname(), "0123456789.") == "")
}

func parseConnectionString(place, connection string) (Account, error) {
	fields := map[string]string{}
	for field := range strings.SplitSeq(strings.Trim(connection, "; \n"), ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok || name == "" {
			return Account{}, core.Invalid(place, "the connection string is not of the form NAME=VALUE;NAME=VALUE")
		}
		fields[strings.ToLower(name)] = value
	}
	if fields["usedevelopmentstorage"] == "true" {
		return parseConnectionString(place, developmentStorage)
	}
	endpoint, err := blobEndpoint(place, fields)
	if err != nil {
		return Account{}, err
	}
	account := Account{endpoint: endpoint, name: fields["accountname"], key: fields["accountkey"]}
	if account.key != "" {
		_, err := base64.StdEncoding.DecodeString(account.key)
		if err != nil || account.name == "" {
			return Account{}, core.Invalid(place, "the connection string's AccountKey is not base64, or AccountName is missing")
		}
		return account, nil
	}
	if account.signature = strings.TrimPrefix(fields["sharedaccesssignature"], "?"); account.signature == "" {
		return Account{}, core.Invalid(place, "the connection string has neither AccountKey nor SharedAccessSignature")
	}
	return account, nil
}

func blobEndpoint(place string, fields map[string]string) (*url.URL, error) {
	text := fields["blobendpoint"]
	if text == "" {
		if fields["accountname"] == "" {
			return nil, core.Invalid(place, "the connection string has neither AccountName nor BlobEndpoint")
		}
		text = or(fields["defaultendpointsprotocol"], "https") + "://" + fields["accountname"] + ".blob." + or(fields["endpointsuffix"], "core.windows.net")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, core.Invalid(place, "the connection string's AccountName, EndpointSuffix, DefaultEndpointsProtocol or BlobEndpoint do not make an http(s) URL")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}, nil
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// none reports whether this is the zero Account.
func (a Account) none() bool { return a.endpoint == nil }
