package projections_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/core"
	"eventstore/core/projections"
	"eventstore/core/topics"
)

// pushed is the document of the benchmark.
type pushed struct {
	N    int     `json:"n"`
	Size float64 `json:"size"`
	Last string  `json:"last"`
}

type push struct {
	Size  float64 `json:"size"`
	Actor struct {
		Login string `json:"login"`
	} `json:"actor"`
}

const pushedSource = `({ key: e => e.subject, on: { Push: (doc, e) => ({ n: (doc?.n ?? 0) + 1, size: (doc?.size ?? 0) + e.data.size, last: e.data.actor.login }) } })`

// BenchmarkRebuild rebuilds 10,000 documents, kept in files, from 300-byte events in files: events per second, beside the rate of
// merely reading the same log.
func BenchmarkRebuild(b *testing.B) {
	const events = 300_000
	s := onFiles(b, events)
	handler := projections.Typed("pushed", []string{"Push"}, func(e *core.Event) ([]string, error) { return []string{e.Subject}, nil }, foldPush)
	p := s.instance(func(c *projections.Config) { c.Handlers = []projections.Handler{handler} })
	put(b, p, "go", projections.Definition{Topics: []string{"pushes"}, Handler: "pushed"})
	put(b, p, "javascript", projections.Definition{Topics: []string{"pushes"}, Source: pushedSource})
	b.Run("reading", func(b *testing.B) {
		used := processorTime()
		for b.Loop() {
			topic, err := s.registry.Open(b.Context(), "pushes")
			require.NoError(b, err)
			for _, err := range topic.Log.Read(b.Context(), core.Query{}) {
				require.NoError(b, err)
			}
		}
		b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric(float64((processorTime()-used).Nanoseconds())/float64(b.N)/events, "cpu-ns/event")
	})
	for _, name := range []string{"go", "javascript"} {
		b.Run(name, func(b *testing.B) {
			var folding time.Duration
			used := processorTime()
			for b.Loop() {
				started := time.Now()
				require.NoError(b, p.Replay(context.Background(), name, func(at projections.Progress) {
					if at.Progress == 1 && folding == 0 {
						folding = time.Since(started)
					}
				}))
			}
			b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(events/folding.Seconds(), "folded/s")
			b.ReportMetric(float64((processorTime()-used).Nanoseconds())/float64(b.N)/events, "cpu-ns/event")
		})
	}
}

func foldPush(doc *pushed, e *core.Event) (*pushed, error) {
	var data push
	if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
		return nil, err
	}
	if doc == nil {
		doc = &pushed{}
	}
	return &pushed{doc.N + 1, doc.Size + data.Size, data.Actor.Login}, nil
}

// onFiles is a store in files with a topic of n events.
func onFiles(b *testing.B, n int) *store {
	b.Helper()
	documents, err := fs.OpenDocuments(b.TempDir())
	require.NoError(b, err)
	s := &store{t: b, documents: documents}
	s.registry = topics.New(topics.Config{Documents: documents, Default: "fs", Adapters: map[string]topics.Adapter{"fs": &fs.Topics{Dir: b.TempDir()}}})
	_, _, err = s.registry.Create(b.Context(), core.TopicConfig{Name: "pushes"})
	require.NoError(b, err)
	for i := 0; i < n; i += 10_000 {
		events := make([]core.Event, 10_000)
		for k := range events {
			events[k] = core.Event{ID: fmt.Sprintf("0193a1f2-5c7e-7d11-9a34-%012d", i+k), Type: "Push", Source: "/github", Subject: fmt.Sprintf("repo-%d", (i+k)*7919%10_000),
				DataContentType: core.DefaultContentType, Data: `{"size":19.5,"actor":{"login":"someone","id":5},"repo":"x/y"}`}
		}
		s.append("pushes", events...)
	}
	return s
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
