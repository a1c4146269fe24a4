// Package contract holds what the store does against what it says of itself: openapi.json. Beside it are judges that
// others wrote, from npm: of the description, of workflows over it, of the files that deploy.
package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/go-json-experiment/json"

	"eventstore/handler/rest"
)

// Answer is what a request got.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Document is openapi.json as the server answers it.
func Document() (*openapi3.T, error) {
	loaded, err := load()
	return loaded.document, err
}

type description struct {
	document *openapi3.T
	router   routers.Router
}

var load = sync.OnceValues(func() (d description, err error) {
	for _, kind := range cloudEvents {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.JSONBodyDecoder)
	}
	recorder := httptest.NewRecorder()
	rest.New(rest.Config{}).ServeHTTP(recorder, httptest.NewRequest("GET", "/openapi.json", nil))
	if d.document, err = openapi3.NewLoader().LoadFromData(recorder.Body.Bytes()); err != nil {
		return d, err
	}
	if err = d.document.Validate(context.Background()); err != nil {
		return d, err
	}
	d.document.Servers = nil // so that a request to any host is found
	d.router, err = legacy.NewRouter(d.document)
	return d, err
})

var (
	cloudEvents = []string{"application/cloudevents+json", "application/cloudevents-batch+json"}
	jsonBodies  = append([]string{"application/json"}, cloudEvents...)
	jsonAnswers = append([]string{"application/problem+json"}, jsonBodies...)
)

// Check says what of a request and its answer the description does not allow. What the store accepted must be
// described; what is not described must be answered with a problem.
func Check(request *http.Request, body []byte, got Answer) error {
	d, err := load()
	if err != nil {
		return err
	}
	request = request.Clone(context.Background()) // the caller's own may have ended
	request.Body = io.NopCloser(bytes.NewReader(body))
	route, parameters, err := d.router.FindRoute(request)
	if err != nil || request.Method == http.MethodHead && route.Method != http.MethodHead {
		return d.undescribed(request, got)
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			ExcludeRequestBody: !slices.Contains(jsonBodies, request.Header.Get("Content-Type"))}}
	if got.Status < 300 && !strings.Contains(request.URL.RawQuery, "clientId") {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			return fmt.Errorf("the store accepted a request that the description does not allow: %s %s: %w", request.Method, request.URL, err)
		}
	}
	kind, _, _ := strings.Cut(got.Header.Get("Content-Type"), ";")
	input.Options.ExcludeResponseBody = !slices.Contains(jsonAnswers, kind)
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: got.Status, Header: got.Header, Body: io.NopCloser(bytes.NewReader(got.Body)), Options: input.Options})
	if err != nil {
		return fmt.Errorf("%s %s: the answer is not as described: %w: %s", request.Method, request.URL, err, got.Body)
	}
	described := route.Operation.Responses.Status(got.Status)
	if len(got.Body) > 0 && (described == nil || described.Value.Content.Get(kind) == nil) {
		return fmt.Errorf("%s %s: the answer is not as described: %d has no %q", request.Method, request.URL, got.Status, kind)
	}
	return nil
}

// undescribed checks the answer to a path or method that is not described: a problem, or HEAD of a GET.
func (d description) undescribed(request *http.Request, got Answer) error {
	if request.Method == http.MethodHead {
		return nil
	}
	if got.Status < 400 {
		return fmt.Errorf("%s %s is answered %d and not described", request.Method, request.URL, got.Status)
	}
	var value any
	if err := json.Unmarshal(got.Body, &value); err != nil {
		return errors.Join(fmt.Errorf("%s %s is answered %d without a problem: %s", request.Method, request.URL, got.Status, got.Body), err)
	}
	return d.document.Components.Schemas["Problem"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
}
