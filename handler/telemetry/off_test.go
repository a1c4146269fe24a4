package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
	"eventstore/core/topics"
	"eventstore/handler/telemetry"
)

func TestOffIsNothingAtAll(t *testing.T) {
	t.Parallel()
	off, err := telemetry.New(t.Context(), telemetry.Config{})
	require.NoError(t, err)
	require.Nil(t, off)
	handler := http.NewServeMux()
	require.Same(t, handler, off.HTTP(handler))
	adapters := map[string]topics.Adapter{"one": one{}}
	require.Equal(t, adapters, off.Adapters(adapters))
	documents := new(memory.Documents)
	require.Same(t, documents, off.Documents("memory", documents))
	require.Nil(t, off.Publishing())
	require.Nil(t, off.Ran())
	require.Nil(t, off.Served())
	require.Nil(t, off.Sender(nil))
	require.Nil(t, off.Prometheus())
	require.Nil(t, off.Timer("project", nil))
	request := httptest.NewRequest("GET", "/", nil)
	require.Same(t, request, off.Remote(request))
	off.Close()
}

// What is recorded of a request, a publish and a call of the storage allocates next to nothing where there are no traces.
func TestRecordingAllocatesLittle(t *testing.T) {
	told := scraped(t)
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(interface{ Answers(route, topic string) }).Answers("/topics/{topic}/events", "orders")
		w.WriteHeader(http.StatusCreated)
	})
	handler, request, w := told.HTTP(answer), httptest.NewRequest("POST", "/", nil), &sink{}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, request) }), 1.0, "a request: what sees its answer")

	observer := told.Publishing()
	batch := commands.Batch{Topic: "orders", Events: 3, Carried: make([]commands.Carried, 3)}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		mark := observer.Begin(context.Background(), "orders", 1)
		_, ended := observer.Append(context.Background(), batch)
		ended(nil)
		observer.End(mark, commands.Result{}, nil)
	}), 3.0, "an append, whatever it carries")

	log := watch(t, told, new(memory.Log))
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = log.Head(context.Background()) }), "a call of the storage")
}

type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkPublish compares publishing to memory with telemetry off, and with metrics.
func BenchmarkPublish(b *testing.B) {
	for _, way := range []struct {
		name string
		told func() *telemetry.Telemetry
	}{{"off", func() *telemetry.Telemetry { return nil }}, {"metrics", func() *telemetry.Telemetry { return scraped(b) }}} {
		b.Run(way.name, func(b *testing.B) {
			told := way.told()
			registry := topics.New(topics.Config{Documents: new(memory.Documents), Default: "memory",
				Adapters: told.Adapters(map[string]topics.Adapter{"memory": new(memory.Topics)})})
			_, _, err := registry.Create(b.Context(), core.TopicConfig{Name: "orders"})
			require.NoError(b, err)
			publisher := commands.New(registry, commands.Config{Observer: told.Publishing()})
			b.Cleanup(publisher.Close)
			events := []core.Event{coretest.Sample(1)}
			events[0].ID = ""
			b.ReportAllocs()
			for b.Loop() {
				if _, err := publisher.Publish(b.Context(), "orders", commands.Request{Events: events}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
