package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// client asks one instance.
type client struct {
	url, key, token string
	http            *http.Client
}

func newClient(address, key, token string) (*client, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" || parsed.User != nil || parsed.RawQuery != "" {
		return nil, fmt.Errorf("the address of the instance is http://HOST:PORT or https://HOST, without user and query; a key is in EVENTSTORE_KEY")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute // longer than any wait
	return &client{strings.TrimRight(address, "/"), key, token, &http.Client{Transport: transport,
		// A key is for the instance alone, not for where it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Problem is an answer that says what is wrong.
type Problem struct {
	Status     int    `json:"-"`
	Code       string `json:"code"`
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	Outcome    string `json:"outcome"`
	Head       *int64 `json:"head"`
	Position   *int64 `json:"position"`
	Line       *int   `json:"line"`
	Stored     *int   `json:"stored"`
	retryAfter time.Duration
}

func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = "the instance answered " + strconv.Itoa(p.Status) + " " + http.StatusText(p.Status)
	}
	if p.Code != "" {
		text += " (" + p.Code + ")"
	}
	for _, member := range []struct {
		name  string
		value *int64
	}{{"head", p.Head}, {"position", p.Position}} {
		if member.value != nil {
			text += "; " + member.name + " " + strconv.FormatInt(*member.value, 10)
		}
	}
	if p.Outcome != "" {
		text += "; " + p.Outcome
	}
	return text
}

// send sends a request. An answer of 300 and above is a *Problem; any other is open, and the caller closes it.
func (c *client) send(ctx context.Context, method, path string, body []byte, header ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.key != "" {
		request.Header.Set("x-functions-key", c.key)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", c.url, unwrapped(err))
	}
	if answer.StatusCode >= 300 {
		defer answer.Body.Close()
		return nil, problemOf(answer)
	}
	return answer, nil
}

// unwrapped is an error of the client without the address, which would be told twice.
func unwrapped(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// mostProblem is more than any problem has.
const mostProblem = 1 << 20

func problemOf(answer *http.Response) *Problem {
	p := &Problem{}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, mostProblem)) // what came says enough
	if err := json.Unmarshal(body, p); err != nil {
		*p = Problem{}
	}
	p.Status = answer.StatusCode
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
		p.retryAfter = time.Duration(min(max(seconds, 0), 60)) * time.Second
	}
	return p
}

// ask sends a request and reads the answer, which is JSON or empty.
func (c *client) ask(ctx context.Context, method, path string, body []byte, header ...string) ([]byte, error) {
	answer, err := c.send(ctx, method, path, body, header...)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.url, err)
	}
	return text, nil
}

// pages yields the members of a list, page by page.
func (c *client) pages(ctx context.Context, path, member string, query url.Values, each func(jsontext.Value) error) error {
	query = cloned(query)
	for {
		text, err := c.ask(ctx, http.MethodGet, withQuery(path, query), nil)
		if err != nil {
			return err
		}
		var page map[string]jsontext.Value
		var members []jsontext.Value
		if err := json.Unmarshal(text, &page); err != nil {
			return fmt.Errorf("reading the answer of %s: %w", c.url, err)
		}
		if err := json.Unmarshal(page[member], &members); err != nil {
			return fmt.Errorf("reading the answer of %s: %w", c.url, err)
		}
		for _, value := range members {
			if err := each(value); err != nil {
				return err
			}
		}
		var next string
		if page["next"] == nil {
			return nil
		}
		if err := json.Unmarshal(page["next"], &next); err != nil {
			return fmt.Errorf("reading the answer of %s: %w", c.url, err)
		}
		query.Set("after", next)
	}
}

func cloned(query url.Values) url.Values {
	copied := url.Values{}
	for name, values := range query {
		copied[name] = values
	}
	return copied
}

func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// topicPath is a path of a topic.
func topicPath(topic string, rest ...string) string { return joined("/topics/", topic, rest) }

// projectionPath is a path of a projection.
func projectionPath(name string, rest ...string) string { return joined("/projections/", name, rest) }

func joined(root, name string, rest []string) string {
	path := root + url.PathEscape(name)
	for _, segment := range rest {
		path += "/" + url.PathEscape(segment)
	}
	return path
}
