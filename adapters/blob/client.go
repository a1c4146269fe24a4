package blob

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"eventstore/core"
)

// Client is how this process speaks with blob storage; one serves all accounts. The zero
// Client does for accounts that need no identity.
type Client struct {
	// Credential is the process's Entra identity, asked for a token when an account is used that
	// needs one. It is sent to hosts under blob.core.windows.net and to EntraHosts alone.
	Credential azcore.TokenCredential
	EntraHosts []string
	// Policies are run for every request that is sent to the storage: a [Counter], say.
	Policies []policy.Policy
}

// parallel is how many requests one call has under way at most.
const parallel = 32

// transport is shared, so that connections are.
var transport = sync.OnceValue(func() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          4 * parallel,
		MaxIdleConnsPerHost:   2 * parallel,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: callTime,
	}}
})

// container is a container of an account; nothing is sent yet. Errors are *core.InvalidError.
func (c *Client) container(account Account, name string) (*container.Client, error) {
	endpoint := account.endpoint.String()
	if account.signature != "" {
		endpoint += "?" + account.signature
	}
	options := &service.ClientOptions{ClientOptions: c.options()}
	var client *service.Client
	var err error
	switch {
	case account.key != "":
		var key *azblob.SharedKeyCredential
		if key, err = azblob.NewSharedKeyCredential(account.name, account.key); err == nil {
			client, err = service.NewClientWithSharedKeyCredential(endpoint, key, options)
		}
	case account.signature != "":
		client, err = service.NewClientWithNoCredential(endpoint, options)
	default:
		if err := c.mayIdentify(account.endpoint.Hostname()); err != nil {
			return nil, err
		}
		client, err = service.NewClient(endpoint, c.Credential, options)
	}
	if err != nil {
		return nil, core.Invalid("connection", "can't be used: %v", translate(err))
	}
	return client.NewContainerClient(name), nil
}

// mayIdentify refuses to send a token to a host that is not known to be Azure's.
func (c *Client) mayIdentify(host string) error {
	host = strings.ToLower(host)
	if !strings.HasSuffix(host, ".blob.core.windows.net") && !slices.ContainsFunc(c.EntraHosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return core.Invalid("connection", "Entra identity is used with hosts under blob.core.windows.net and those of EVENTSTORE_ENTRA_HOSTS, and %q is neither", host)
	}
	if c.Credential == nil {
		return core.Invalid("connection", "has neither key nor signature, and this process has no Entra identity to use instead")
	}
	return nil
}

func (c *Client) options() policy.ClientOptions {
	return policy.ClientOptions{
		Transport:        transport(),
		PerRetryPolicies: c.Policies,
		Telemetry:        policy.TelemetryOptions{ApplicationID: "eventstore"},
		Retry:            policy.RetryOptions{MaxRetries: 3, RetryDelay: 100 * time.Millisecond, MaxRetryDelay: 2 * time.Second},
	}
}

const (
	// callTime is how long one request may take, and a mebibyte of it more.
	callTime = 30 * time.Second
	// settleTime is how long it may take to find out what became of a write.
	settleTime = 15 * time.Second
)

// reading bounds the time of a request that the SDK may repeat.
func reading(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*callTime)
}

// writing bounds the time of a request that the SDK may not repeat: it would store twice, or
// report what was kept as a conflict.
func writing(ctx context.Context, bytes int) (context.Context, context.CancelFunc) {
	ctx = policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
	return context.WithTimeout(ctx, callTime+time.Duration(bytes>>20)*time.Second)
}

// settling is the context of finding out what became of a write: whoever asked for it may be gone.
func settling(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}
