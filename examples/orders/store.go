package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// client speaks to the event store. In your own language this is the part that a generated client gives you
// (GET /openapi.json describes the API).
type client struct{ url, key string }

// event is what this shop uses of an event.
type event struct {
	ID       string          `json:"id,omitempty"`
	Position int64           `json:"position,omitempty"`
	Type     string          `json:"type"`
	Subject  string          `json:"subject,omitempty"`
	Tags     []string        `json:"tags,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// errChanged says that something was published that the decision did not know of.
var errChanged = errors.New("the topic has changed since it was read")

// prepare registers a topic; it is fine if it is there.
func (c *client) prepare(ctx context.Context, topic string) error {
	return c.call(ctx, "POST", "/topics", map[string]string{"name": topic}, nil)
}

// read reads the events that have a tag, and the topic's head when it looked.
func (c *client) read(ctx context.Context, topic, tag string) (events []event, head int64, err error) {
	var page struct {
		Events []event `json:"events"`
		Head   int64   `json:"head"`
	}
	query := url.Values{"tag": {tag}, "limit": {"10000"}}
	err = c.call(ctx, "GET", "/topics/"+topic+"/events?"+query.Encode(), nil, &page)
	return page.Events, page.Head, err
}

// publish publishes an event if nothing with this tag was published behind a position. It returns the event's own
// position, or errChanged. Repeated with the same id, it stores nothing twice.
func (c *client) publish(ctx context.Context, topic string, e event, unlessTagged string, after int64) (int64, error) {
	body := map[string]any{
		"events":    []event{e},
		"condition": map[string]any{"failIfMatch": []any{map[string]any{"tags": []string{unlessTagged}}}, "after": after},
	}
	var published struct {
		Last int64 `json:"last"`
	}
	err := c.call(ctx, "POST", "/topics/"+topic+"/events", body, &published)
	return published.Last, err
}

// call sends a request and decodes the answer.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	if body == nil {
		request.Body, request.ContentLength = http.NoBody, 0
	} else {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("x-functions-key", c.key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return problem(answer)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// problem is an answer of the store that is none of success: RFC 9457, with a code to branch on.
func problem(answer *http.Response) error {
	var p struct{ Code, Detail string }
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
		return fmt.Errorf("the store answered %s", answer.Status)
	}
	switch p.Code {
	case "condition-failed":
		return errChanged
	case "id-conflict":
		return refused("there is an order of this number with other content")
	case "document-not-found":
		return errNoDocument
	}
	return fmt.Errorf("the store answered %s: %s", p.Code, p.Detail)
}
