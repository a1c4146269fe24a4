package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"eventstore/core"
)

const (
	// smallBody is the most bytes of a body that is not a publish.
	smallBody = 1 << 20
	// keptBuffer is the largest buffer that is kept for the next request.
	keptBuffer = 1 << 20
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readBody reads a request's body of at most most bytes, none of it a second time. release is to be
// called once nothing of the body is used any more.
func readBody(w http.ResponseWriter, r *http.Request, most int64) (body []byte, release func(), err error) {
	if r.ContentLength > most {
		return nil, nil, refuseBody(r, most)
	}
	buffer := buffers.Get().(*bytes.Buffer)
	release = func() {
		if buffer.Cap() <= keptBuffer {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}
	if r.ContentLength > 0 {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, most)); err != nil {
		release()
		return nil, nil, bodyError(r, err, most)
	}
	return buffer.Bytes(), release, nil
}

func bodyError(r *http.Request, err error, most int64) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return refuseBody(r, most)
	}
	return invalidRequest("", "the body could not be read to its end; nothing was stored")
}

// refuseBody is the error of a body that is too large. As much again is read, so that a client which
// sends before it listens gets to hear it.
func refuseBody(r *http.Request, most int64) error {
	_, _ = io.CopyN(io.Discard, r.Body, most)
	return &core.TooLargeError{Reason: fmt.Sprintf("the body has more than %d bytes", most)}
}

// jsonBody has read walk a request's body, which is JSON of at most 1 MiB.
func jsonBody(w http.ResponseWriter, r *http.Request, read func(*cursor) error) error {
	if kind := mediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return unsupported(kind, "application/json")
	}
	if err := plainEncoding(r); err != nil {
		return err
	}
	body, release, err := readBody(w, r, smallBody)
	if err != nil {
		return err
	}
	defer release()
	return readJSON(body, read)
}

// bare serves a route that takes nothing: no body, or an object without fields. What is sent to it in vain is refused.
func bare(serve func(*api, http.ResponseWriter, *http.Request) error) func(*api, http.ResponseWriter, *http.Request) error {
	return func(a *api, w http.ResponseWriter, r *http.Request) error {
		body, release, err := readBody(w, r, smallBody)
		if err != nil {
			return err
		}
		defer release()
		if len(bytes.TrimSpace(body)) > 0 {
			if err := readJSON(body, func(c *cursor) error {
				return c.object(func(string) error { return c.invalid("is not known here; this path takes no body") })
			}); err != nil {
				return err
			}
		}
		return serve(a, w, r)
	}
}

// plainEncoding refuses compressed bodies.
func plainEncoding(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &problem{Code: "unsupported-media-type", Detail: "the Content-Encoding " + quoted(clip(encoding)) + " is not supported; send the body as it is"}
	}
	return nil
}

func unsupported(kind, supported string) error {
	detail := "there is no Content-Type; "
	if kind != "" {
		detail = "the Content-Type " + quoted(clip(kind)) + " is not supported; "
	}
	return &problem{Code: "unsupported-media-type", Detail: detail + "this path takes " + supported}
}
