package main

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPublishIsTimedFromWhenItWasDue(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	after := func(milliseconds int) time.Time { return begun.Add(time.Duration(milliseconds) * time.Millisecond) }
	found := paceOf([]shot{
		{3, after(190), 10 * time.Millisecond}, // due at 30: it had to wait for those before
		{0, after(0), 10 * time.Millisecond},
		{2, after(19), 10 * time.Millisecond}, // a little early
		{1, after(10), 80 * time.Millisecond},
	}, 100)
	require.Equal(t, paced{due: 100, answered: 20, tail: tail{10 * time.Millisecond, 170 * time.Millisecond, 170 * time.Millisecond}}, found)
}

func TestAPaceIsHeldAgainstAServerThatStalls(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stalled, first := make(chan struct{}), sync.Once{}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() { time.AfterFunc(time.Second, func() { close(stalled) }) })
		<-stalled
		w.WriteHeader(http.StatusCreated)
	})}
	go server.Serve(listener)
	defer server.Close()
	found, err := openLoop(listener.Addr().String(), 100, 500*time.Millisecond)
	require.NoError(t, err)
	require.GreaterOrEqual(t, found.tail.p50, 500*time.Millisecond, "whoever came during the stall waited for its end, a second after the first came")
}

func TestAPaceTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler()}
	go server.Serve(listener)
	defer server.Close()
	_, err = openLoop(listener.Addr().String(), 100, 100*time.Millisecond)
	require.ErrorContains(t, err, "a publish was answered with 404")
}
