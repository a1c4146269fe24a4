package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// event is the body of a publish: one event of about 300 bytes.
const event = `{"type":"OrderPlaced","subject":"order-4711","tags":["customer:c9","region:north"],"data":{"total":19.5,"currency":"EUR",` +
	`"items":[{"sku":"A-1001","quantity":2,"price":7.25},{"sku":"B-2002","quantity":1,"price":5.0}],"note":"leave it at the door, please"},` +
	`"metadata":{"correlationid":"c-0193a1f2"}}`

// post is a whole request that publishes one event.
func post(path string) []byte { return postBody(path, event) }

func postBody(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// load sends a request over and over on so many connections for a while, and returns how many were answered with
// the status in a second.
func load(host string, request []byte, status, connections int, duration time.Duration) (perSecond float64, err error) {
	var answered atomic.Int64
	var stop atomic.Bool
	var senders sync.WaitGroup
	failures := make(chan error, connections)
	begun := time.Now()
	for range connections {
		senders.Go(func() {
			if err := send(host, request, status, &answered, &stop); err != nil {
				failures <- err
			}
		})
	}
	time.Sleep(duration)
	stop.Store(true)
	took := time.Since(begun)
	n := answered.Load()
	senders.Wait()
	close(failures)
	return float64(n) / took.Seconds(), <-failures
}

func send(host string, request []byte, status int, answered *atomic.Int64, stop *atomic.Bool) error {
	connection, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for !stop.Load() {
		if _, err := connection.Write(request); err != nil {
			return err
		}
		if err := answer(answers, status); err != nil {
			return err
		}
		answered.Add(1)
	}
	return nil
}

// answer reads one answer, which has a length or comes in chunks.
func answer(r *bufio.Reader, status int) error {
	first, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(first) < 12 || string(first[9:12]) != strconv.Itoa(status) {
		return fmt.Errorf("the answer is %q", first)
	}
	length, chunked := 0, false
	for {
		header, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(header) <= 2 {
			break
		}
		if value, is := bytes.CutPrefix(header, []byte("Content-Length: ")); is {
			if length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return err
			}
		}
		chunked = chunked || bytes.HasPrefix(header, []byte("Transfer-Encoding: chunked"))
	}
	if chunked {
		return chunks(r)
	}
	_, err = r.Discard(length)
	return err
}

func chunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return fmt.Errorf("the size of a chunk is %q: %w", line, err)
		}
		if _, err := r.Discard(int(size) + len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}

// stream gets a path and reads the whole answer, and returns its length.
func stream(host, path, accept string) (length int64, err error) {
	connection, err := net.Dial("tcp", host)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: %s\r\n\r\n", path, accept); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(connection, 1<<20)
	first, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if !strings.Contains(first, " 200 ") {
		return 0, errors.New("the answer is " + first)
	}
	if _, err := textproto.NewReader(r).ReadMIMEHeader(); err != nil {
		return 0, err
	}
	return io.Copy(discard{}, r)
}

// discard has no ReadFrom, so that the connection is read in large pieces.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func contains(list, name string) bool { return slices.Contains(strings.Split(list, ","), name) }
