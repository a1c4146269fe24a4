package app

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"eventstore/test/contract"
)

// Every answer that a test gets of a server that it started here is held against openapi.json; only what a load test
// gets thousands of, by its method, path's length and status, is looked at now and then.

// started are the addresses of servers that were started here, with whether a host stands before them.
var started sync.Map // "127.0.0.1:port" to bool

// kinds counts the answers of each kind.
var kinds sync.Map // string to *atomic.Int64

const (
	everyOne   = 200 // of a kind are checked,
	nowAndThen = 100 // and then one in so many
	tooLong    = 1 << 20
)

// check fails if an answer is not as the description has it.
func check(request *http.Request, got Answer) error {
	underHost, ours := started.Load(request.URL.Host)
	if !ours || underHost.(bool) && ofTheHost(got) || len(got.Body) > tooLong || !due(request, got) {
		return nil
	}
	var body []byte
	if request.GetBody != nil {
		reader, err := request.GetBody()
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(reader); err != nil {
			return err
		}
	}
	return contract.Check(request, body, contract.Answer{Status: got.Status, Header: got.Header, Body: []byte(got.Body)})
}

// ofTheHost reports whether the host itself answered: it says no more than the status.
func ofTheHost(got Answer) bool {
	switch got.Status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
		return got.Header.Get("Content-Type") != "application/problem+json"
	}
	return false
}

// due reports whether an answer is to be looked at.
func due(request *http.Request, got Answer) bool {
	kind := fmt.Sprint(request.Method, len(request.URL.Path), got.Status, got.Header.Get("Content-Type"))
	count, _ := kinds.LoadOrStore(kind, new(atomic.Int64))
	n := count.(*atomic.Int64).Add(1)
	return n <= everyOne || n%nowAndThen == 0
}
