package main

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"eventstore/adapters/fs"
	"eventstore/adapters/javascript"
	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/projections"
	"eventstore/core/topics"
)

const projected = 10_000 // documents

// amount is a document of the rebuilds.
type amount struct {
	Orders int     `json:"orders"`
	Total  float64 `json:"total"`
	Note   string  `json:"note"`
}

const amountSource = `({ key: e => e.subject, on: { OrderPlaced: (doc, e) => ({ orders: (doc?.orders ?? 0) + 1, total: (doc?.total ?? 0) + e.data.total, note: e.data.note }) } })`

func foldAmount(doc *amount, e *core.Event) (*amount, error) {
	var data struct {
		Total float64 `json:"total"`
		Note  string  `json:"note"`
	}
	if err := json.Unmarshal([]byte(e.Data), &data); err != nil {
		return nil, err
	}
	if doc == nil {
		doc = &amount{}
	}
	return &amount{doc.Orders + 1, doc.Total + data.Total, data.Note}, nil
}

// folder folds the same events in Go and in JavaScript.
type folder struct {
	registry    *topics.Registry
	projections *projections.Projections
}

func newFolder(adapter topics.Adapter, documents core.Documents, config core.TopicConfig) (*folder, error) {
	f := &folder{registry: topics.New(topics.Config{Documents: documents, Default: "x", Adapters: map[string]topics.Adapter{"x": adapter}})}
	handler := projections.Typed("amounts", []string{"OrderPlaced"}, func(e *core.Event) ([]string, error) { return []string{e.Subject}, nil }, foldAmount)
	f.projections = projections.New(projections.Config{
		Topics: f.registry, Documents: documents, Handlers: []projections.Handler{handler},
		Compile: func(ctx context.Context, source string) (projections.Program, error) {
			return javascript.Compile(ctx, source)
		},
	})
	config.Name, config.Adapter = "orders", "x"
	if _, _, err := f.registry.Create(context.Background(), config); err != nil {
		return nil, err
	}
	for name, d := range map[string]projections.Definition{"Go": {Handler: "amounts"}, "JavaScript": {Source: amountSource}} {
		d.Topics = []string{"orders"}
		if _, err := f.projections.Put(context.Background(), projectionOf(name), d); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func projectionOf(language string) string {
	return map[string]string{"Go": "go", "JavaScript": "javascript"}[language]
}

func (f *folder) close() {
	f.projections.Close()
	f.registry.Close()
}

// fill appends events of about 300 bytes whose subjects are the documents.
func (f *folder) fill(events int) error {
	ctx := context.Background()
	topic, err := f.registry.Open(ctx, "orders")
	if err != nil {
		return err
	}
	head, err := topic.Log.Head(ctx)
	if err != nil {
		return err
	}
	for first := 0; first < events; first += 5000 {
		batch := make([]core.Event, min(5000, events-first))
		for i := range batch {
			batch[i] = core.Event{ID: fmt.Sprintf("0193a1f2-5c7e-7d11-9a34-%012d", first+i), Type: "OrderPlaced", Source: "/shop", Subject: fmt.Sprintf("order-%d", (first+i)*7919%projected),
				DataContentType: core.DefaultContentType, Data: `{"total":19.5,"note":"leave it at the door","customer":{"id":5,"name":"someone"}}`}
		}
		sealed, end := core.Seal(head, time.Now(), batch)
		if err := topic.Log.Append(ctx, head, sealed); err != nil {
			return err
		}
		head = end
	}
	return nil
}

// read merely reads all events.
func (f *folder) read() error {
	topic, err := f.registry.Open(context.Background(), "orders")
	if err != nil {
		return err
	}
	for _, err := range topic.Log.Read(context.Background(), core.Query{}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// rebuildRows: rebuilds into 10,000 documents, in Go and in JavaScript, from fs and from PostgreSQL, beside merely reading the same log.
func rebuildRows(o options, dir string, s *realServers) error {
	documents, err := fs.OpenDocuments(filepath.Join(dir, "documents"))
	if err != nil {
		return err
	}
	if err := rebuildRow(o, "fs", &fs.Topics{Dir: filepath.Join(dir, "topics")}, documents, core.TopicConfig{}); err != nil {
		return err
	}
	adapter := postgres.NewTopics(postgres.Config{Connection: s.postgres})
	defer adapter.Close()
	if documents, err := adapter.Documents(s.postgres, "rebuilds"); err != nil {
		return err
	} else {
		return rebuildRow(o, "postgres", adapter, documents, core.TopicConfig{Connection: s.postgres, Schema: "rebuilds"})
	}
}

func rebuildRow(o options, storage string, adapter topics.Adapter, documents core.Documents, config core.TopicConfig) error {
	f, err := newFolder(adapter, documents, config)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.fill(o.stream); err != nil {
		return err
	}
	work := map[string]func() error{"reading": f.read}
	for _, language := range []string{"Go", "JavaScript"} {
		work[language] = func() error {
			return f.projections.Replay(context.Background(), projectionOf(language), func(projections.Progress) {})
		}
	}
	rates, costs := map[string][]float64{}, map[string][]float64{}
	for range o.rounds {
		for name, do := range work {
			begun, used := time.Now(), processorTime()
			if err := do(); err != nil {
				return err
			}
			rates[name] = append(rates[name], float64(o.stream)/time.Since(begun).Seconds())
			costs[name] = append(costs[name], float64((processorTime()-used).Nanoseconds())/1000/float64(o.stream))
		}
	}
	for language, promised := range map[string]string{"Go": "300,000/s", "JavaScript": "80,000/s"} {
		if promised = "≥ " + promised; storage != "fs" {
			promised = "–" // the design promises the rate from fs
		}
		line(fmt.Sprintf("rebuild of %d events into %d documents in %s, %s", o.stream, projected, language, storage),
			fmt.Sprintf("%.0f events/s, %.1f µs of a processor an event", median(rates[language]), median(costs[language])),
			fmt.Sprintf("merely reading: %.0f/s, %.1f µs", median(rates["reading"]), median(costs["reading"])), median(rates[language])/median(rates["reading"]), promised)
	}
	return nil
}

// processorTime is what this process has used of its processors.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
