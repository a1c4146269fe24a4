package rest

import (
	"io"
	"net/http"
	"time"
)

const (
	// longestURL is twice what the front end of Azure Functions takes.
	longestURL = 16 << 10
	// bodyTime is how long a body may take to come; of an import, each part.
	bodyTime = 2 * time.Minute
	// retryStream is the Retry-After of who found too many answers that last, in seconds.
	retryStream = 5
)

// last keeps a place for an answer that lasts; leave gives it back. Others are not to find that this one took all
// memory and connections.
func (a *api) last() (leave func(), err error) {
	select {
	case a.lasting <- struct{}{}:
		a.Load.end()
		return func() { a.Load.begin(); <-a.lasting }, nil
	default:
		return nil, &problem{Code: "too-busy", RetryAfter: retryStream, Detail: "too many streams and waits are open in this instance"}
	}
}

// impatient has a request's body come in time, or end with an error; without one that holds for what the server would
// pass over behind an answer. The server takes this back when the body has ended. Where there is no connection, there is
// nothing to wait for.
func impatient(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
}

// arriving is a body of which each part has to come in time.
type arriving struct {
	io.Reader
	w http.ResponseWriter
}

// Read waits for the next part.
func (a arriving) Read(b []byte) (int, error) {
	impatient(a.w)
	return a.Reader.Read(b)
}
