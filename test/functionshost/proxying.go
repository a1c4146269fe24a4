package functionshost

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// proxy calls the handler as newer hosts do: the request is passed on and both bodies are streamed, and the
// caller's going away cancels the call. An error means that nothing was answered.
func (h *Host) proxy(w http.ResponseWriter, r *http.Request, decoded string) (failure error) {
	ctx, cancel := h.withTimeout(r.Context())
	defer cancel()
	address, err := h.worker.address(ctx)
	if err != nil {
		return err
	}
	target, err := url.Parse(address)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Transport:     retrying{h.client.Transport},
		FlushInterval: -1,
		Rewrite:       func(p *httputil.ProxyRequest) { h.rewrite(p, target, decoded) },
		ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { failure = err },
	}
	defer func() { // also when the answer broke off in the middle, which panics
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && r.Context().Err() == nil {
			h.worker.kill(true)
			failure = errTimeout
		}
	}()
	proxy.ServeHTTP(w, r.WithContext(ctx))
	return failure
}

// rewrite makes the request that the handler gets, as the host's proxy does: headers of one hop left out, those
// of forwarding set, Host the handler's own, the query as it came.
func (h *Host) rewrite(p *httputil.ProxyRequest, target *url.URL, decoded string) {
	p.SetXForwarded()
	p.Out.Host = target.Host
	p.Out.URL.Scheme, p.Out.URL.Host = target.Scheme, target.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	encoded := escape(strings.ReplaceAll(decoded, "%2F", "\x00"), "-._~!$&'()*+,;=:@/")
	p.Out.URL.RawPath = strings.ReplaceAll(encoded, "%00", "%2F")
	p.Out.URL.Path, _ = url.PathUnescape(p.Out.URL.RawPath)
	p.Out.Header.Set("X-Azure-Functions-InvocationId", h.invocationID())
	p.Out.Header.Set("X-Azure-Functions-HostVersion", version[h.mode])
	if p.Out.Header.Get("x-ms-invocation-id") == "" {
		p.Out.Header.Set("x-ms-invocation-id", p.Out.Header.Get("X-Azure-Functions-InvocationId"))
	}
	if p.Out.Header.Get("traceparent") == "" {
		p.Out.Header.Set("traceparent", newTrace())
	}
}

// retrying sends a request again when it failed and had no body, up to ten times, as the
// host's proxy does: so every GET may reach the handler twice.
type retrying struct{ http.RoundTripper }

func (t retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		response, err := t.RoundTripper.RoundTrip(r)
		if err == nil || try > 10 || r.Context().Err() != nil || r.Body != nil && r.Body != http.NoBody {
			return response, err
		}
		time.Sleep(min(time.Duration(try)*50*time.Millisecond, 250*time.Millisecond))
	}
}
