package functionshost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// contentHeaders are those that .NET counts to a body and that are lost on the way.
var contentHeaders = []string{
	"Content-Encoding", "Content-Language", "Content-Location", "Content-Md5", "Content-Disposition", "Content-Range", "Allow", "Expires", "Last-Modified",
}

func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableCompression: true, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, ExpectContinueTimeout: time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// forward calls the handler as a host without the proxy does: the request is built anew from what was
// parsed, and the answer is read whole before the caller sees any of it. The caller's
// going away is not told to the handler. An error means that nothing was answered.
func (h *Host) forward(w http.ResponseWriter, r *http.Request, decoded string) error {
	ctx, cancel := h.withTimeout(context.WithoutCancel(r.Context()))
	defer cancel()
	address, err := h.worker.address(ctx)
	if err != nil {
		return err
	}
	request, err := h.rebuild(ctx, r, address, decoded)
	if err != nil {
		return err
	}
	response, err := h.client.Do(request)
	if err != nil {
		return h.failed(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return h.failed(err)
	}
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	w.Write(body)
	return nil
}

// withTimeout gives an invocation functionTimeout.
func (h *Host) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if h.app.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, h.app.timeout)
}

// failed ends an invocation that had no answer. One that took too long costs the handler its life.
func (h *Host) failed(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		h.worker.kill(true)
		return errTimeout
	}
	return err
}

func (h *Host) rebuild(ctx context.Context, r *http.Request, address, decoded string) (*http.Request, error) {
	if r.ContentLength < 0 {
		return nil, errors.New("'Transfer-Encoding: chunked' header can not be used when content object is not specified")
	}
	target := encodePath(decoded)
	if query := rebuildQuery(r.URL.RawQuery); query != "" {
		target += "?" + query
	}
	target, _, _ = strings.Cut(target, "#")
	var body io.Reader
	if r.ContentLength > 0 {
		body = r.Body
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, address+target, body)
	if err != nil {
		return nil, err
	}
	request.Host, request.ContentLength, request.Header = r.Host, r.ContentLength, r.Header.Clone()
	for _, name := range contentHeaders {
		request.Header.Del(name)
	}
	if r.ContentLength == 0 {
		request.Header.Del("Content-Type")
	}
	request.Header.Del("Connection") // it speaks of the caller's connection
	h.sign(request.Header)
	return request, nil
}

// sign adds what the host tells about itself behind what the caller sent.
func (h *Host) sign(header http.Header) {
	appendTo := func(name, separator, value string) {
		if sent := strings.Join(header.Values(name), ","); sent != "" {
			value = sent + separator + value
		}
		header.Set(name, value)
	}
	appendTo("X-Azure-Functions-InvocationId", ",", h.invocationID())
	appendTo("X-Azure-Functions-HostVersion", ",", version[h.mode])
	appendTo("User-Agent", " ", "Azure-Functions-Host/"+version[h.mode])
	if header.Get("traceparent") == "" {
		header.Set("traceparent", newTrace())
	}
}

// rebuildQuery writes a query from what ASP.NET parsed of it: keys that differ in case alone, and
// repeated ones, become one with their values joined by commas; a key without "=" gets one.
func rebuildQuery(raw string) string {
	var order []string
	values := map[string][]string{}
	spelling := map[string]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, value = unescapeQuery(key), unescapeQuery(value)
		folded := strings.ToLower(key)
		if _, seen := values[folded]; !seen {
			order, spelling[folded] = append(order, folded), key
		}
		values[folded] = append(values[folded], value)
	}
	pairs := make([]string, len(order))
	for i, folded := range order {
		pairs[i] = fmt.Sprintf("%s=%s", escape(spelling[folded], "-._~"), escape(strings.Join(values[folded], ","), "-._~"))
	}
	return strings.Join(pairs, "&")
}

// unescapeQuery decodes what can be; the rest stays as it is.
func unescapeQuery(text string) string {
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded
	}
	return strings.ReplaceAll(text, "+", " ")
}
