package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

// held is a body that says when it is asked for, and comes when it may.
type held struct {
	io.Reader
	asked chan<- struct{}
	goOn  <-chan struct{}
	once  sync.Once
}

func (h *held) Read(p []byte) (int, error) {
	h.once.Do(func() { h.asked <- struct{}{}; <-h.goOn })
	return h.Reader.Read(p)
}

func TestMoreRequestsThanProcessorsMakeAnInstanceBusy(t *testing.T) {
	t.Parallel()
	load := new(rest.Load)
	a := newAPI(t, func(c *rest.Config) { c.Load = load }).withTopic("orders")
	asked, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	publish := func() {
		body := &held{Reader: strings.NewReader(`{"type":"T"}`), asked: asked, goOn: goOn}
		request := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/topics/orders/events", body)
		request.Header.Set("Content-Type", "application/json")
		a.handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	for range runtime.GOMAXPROCS(0) {
		all.Go(publish)
		<-asked
		require.False(t, load.Busy())
	}
	all.Go(publish)
	<-asked
	require.True(t, load.Busy())
	close(goOn)
	all.Wait()
	require.False(t, load.Busy())
}

func TestStreamsMakeNoInstanceBusy(t *testing.T) {
	t.Parallel()
	load := new(rest.Load)
	a := newAPI(t, func(c *rest.Config) { c.Load = load }).withTopic("orders")
	server := httptest.NewServer(a.handler)
	defer server.Close()
	for range runtime.GOMAXPROCS(0) + 1 {
		request, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/topics/orders/events", nil)
		require.NoError(t, err)
		request.Header.Set("Accept", "text/event-stream")
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
	}
	require.False(t, load.Busy())
}
