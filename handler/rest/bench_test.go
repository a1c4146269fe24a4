package rest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/queries"
	"eventstore/core/topics"
	"eventstore/handler/rest"
)

const published = `{"type":"OrderPlaced","subject":"order-1","tags":["customer:c9"],"data":{"total":19.5,"lines":[{"sku":"a-1","n":2},{"sku":"b-7","n":1}],"note":"please ring twice"}}`

// BenchmarkPublish is one event a request, over 64 connections, into memory.
func BenchmarkPublish(b *testing.B) {
	registry := topics.New(topics.Config{Documents: new(memory.Documents), Default: "memory", Adapters: map[string]topics.Adapter{"memory": new(memory.Topics)}})
	publisher := commands.New(registry, commands.Config{})
	defer publisher.Close()
	_, _, err := registry.Create(b.Context(), core.TopicConfig{Name: "orders"})
	require.NoError(b, err)
	load(b, rest.New(rest.Config{Topics: registry, Publisher: publisher, Reader: queries.New(registry, queries.Config{}), Documents: new(memory.Documents), Loopback: true}))
}

// BenchmarkBare is a server that only decodes the same JSON: what BenchmarkPublish is held against.
func BenchmarkBare(b *testing.B) {
	load(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Type    string         `json:"type"`
			Subject string         `json:"subject"`
			Tags    []string       `json:"tags"`
			Data    map[string]any `json:"data"`
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &event)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"topic":"orders","first":41,"last":42,"head":42,"events":[{"id":"0193a1f2-5c7e-7d11-9a34-3f0c9f6d1b2a","position":41}]}`)
	}))
}

// load sends b.N publishes over 64 connections, as cheaply as a client can.
func load(b *testing.B, handler http.Handler) {
	b.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	request := fmt.Appendf(nil, "POST /topics/orders/events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(published), published)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer connection.Close()
			for reader := bufio.NewReader(connection); left.Add(-1) >= 0; {
				if _, err := connection.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(reader); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
}

// skipAnswer reads an answer of 201 to its end.
func skipAnswer(reader *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case first && !bytes.Contains(line, []byte(" 201 ")):
			return fmt.Errorf("answered %q", line)
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[16:]))); err != nil {
				return err
			}
		case len(line) == 2:
			_, err := reader.Discard(length)
			return err
		}
	}
}
