// Package webhook calls callbacks: signed as Standard Webhooks says, and only where the
// instance's address policy allows.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"eventstore/core"
)

// The limits of one call.
const (
	deliveryTime   = 30 * time.Second // from the name's resolution to the answer's status
	drainTime      = time.Second      // for the answer's body, which tells nothing
	maxAnswer      = 64 << 10         // bytes of the body that are read
	maxHeader      = 16 << 10
	handshakeTime  = 3 * time.Second
	connectionIdle = 90 * time.Second
)

// Config is what a [Sender] needs to know. The zero Config is right for production.
type Config struct {
	Policy   Policy           // default Public
	Roots    *x509.CertPool   // of the receivers' certificates; default the system's
	Resolver *net.Resolver    // default the system's
	Now      func() time.Time // default time.Now
}

// Sender calls callbacks. It keeps connections for the next call, and may be used by many
// goroutines at once.
type Sender struct {
	policy   Policy
	resolver *net.Resolver
	now      func() time.Time
	client   *http.Client
}

// New makes a sender.
func New(config Config) *Sender {
	s := &Sender{policy: cmp.Or(config.Policy, Public), resolver: config.Resolver, now: config.Now}
	if s.resolver == nil {
		s.resolver = net.DefaultResolver
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would be dialed in the callback's place, unchecked
			DialContext:            s.policy.dialer(s.resolver).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: config.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxIdleConns:           512, // as many as there are deliveries at once, of one host or of many
			MaxIdleConnsPerHost:    512,
			IdleConnTimeout:        connectionIdle,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// Close closes the connections that are kept for the next call.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Check reports whether a callback may be called: a [core.InvalidError] says that it is no
// callback at all, a [core.RefusedError] that the policy forbids it. Its name is resolved for
// this; it is checked again whenever it is dialed.
func (s *Sender) Check(ctx context.Context, callback string) error {
	u, err := s.policy.parse(callback)
	if err != nil || s.policy == Any {
		return err
	}
	return s.lookUp(ctx, u.Hostname())
}

// Send makes one delivery and reports the answer. An error means that there was no answer;
// its text may be shown to anyone. It is the context's where that ended first, and a
// [core.RefusedError] where the callback leads where the policy forbids.
func (s *Sender) Send(ctx context.Context, d core.Delivery) (core.Answer, error) {
	call, cancel := context.WithTimeout(ctx, deliveryTime)
	defer cancel()
	request, err := s.request(call, d)
	if err != nil {
		return core.Answer{}, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return core.Answer{}, explain(ctx, err)
	}
	defer time.AfterFunc(drainTime, cancel).Stop()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // so that the connection can be used again
	_ = response.Body.Close()
	return core.Answer{Status: response.StatusCode, RetryAfter: s.retryAfter(response.Header)}, nil
}

func (s *Sender) request(ctx context.Context, d core.Delivery) (*http.Request, error) {
	u, err := s.policy.parse(d.Callback)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(d.Body))
	if err != nil {
		return nil, &failure{"its URL can't be called", err}
	}
	request.Header.Set("Content-Type", d.ContentType)
	setCommon(request.Header, d.Origin)
	setTrace(request.Header, d)
	return request, sign(request.Header, d, s.now())
}

func setCommon(header http.Header, origin string) {
	header.Set("User-Agent", "eventstore-webhook/1")
	if origin != "" {
		header.Set("WebHook-Request-Origin", origin)
	}
}

func setTrace(header http.Header, d core.Delivery) {
	if d.Traceparent == "" {
		return
	}
	header.Set("traceparent", d.Traceparent)
	if d.Tracestate != "" {
		header.Set("tracestate", d.Tracestate)
	}
}

// sign sets the headers of Standard Webhooks. During a rotation there are two secrets, and
// the receiver looks for the signature by the one that it has.
func sign(header http.Header, d core.Delivery, now time.Time) error {
	signatures := make([]string, len(d.Secrets))
	for i, secret := range d.Secrets {
		signer, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			signatures[i], err = signer.Sign(d.ID, now, d.Body)
		}
		if err != nil {
			return fmt.Errorf("signing a delivery: %w", err)
		}
	}
	header.Set(standardwebhooks.HeaderWebhookID, d.ID)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// retryAfter reads Retry-After, in seconds or as a date; 0 where it says nothing that can
// be read, or a time that has passed.
func (s *Sender) retryAfter(header http.Header) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(s.now()))
	}
	return 0
}
