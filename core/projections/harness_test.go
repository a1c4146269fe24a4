package projections_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/javascript"
	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/projections"
	"eventstore/core/topics"
)

// store is what instances share: topics and documents.
type store struct {
	t         testing.TB
	registry  *topics.Registry
	documents core.Documents
}

func newStore(t testing.TB, names ...string) *store {
	s := &store{t: t, documents: &memory.Documents{}}
	s.registry = topics.New(topics.Config{Documents: s.documents, Default: "memory", Adapters: map[string]topics.Adapter{"memory": &memory.Topics{}}})
	for _, name := range names {
		_, _, err := s.registry.Create(t.Context(), core.TopicConfig{Name: name})
		require.NoError(t, err)
	}
	return s
}

// append adds events to a topic.
func (s *store) append(topic string, events ...core.Event) {
	s.t.Helper()
	opened, err := s.registry.Open(s.t.Context(), topic)
	require.NoError(s.t, err)
	head, err := opened.Log.Head(s.t.Context())
	require.NoError(s.t, err)
	sealed, end := core.Seal(head, time.Now(), events)
	require.NoError(s.t, opened.Log.Append(s.t.Context(), head, sealed))
	opened.Advance(end.Position)
}

// instance is one process's projections.
func (s *store) instance(changes ...func(*projections.Config)) *projections.Projections {
	config := projections.Config{
		Topics: s.registry, Documents: s.documents, Handlers: []projections.Handler{tallyHandler(), timesHandler(2), timesHandler(3)},
		Compile: func(ctx context.Context, source string) (projections.Program, error) {
			return javascript.Compile(ctx, source)
		},
		ParseSchedule: func(string) (projections.Schedule, error) { return hourly{}, nil },
		Backoff:       time.Nanosecond, MaxBackoff: time.Nanosecond, Grace: time.Nanosecond,
	}
	for _, change := range changes {
		change(&config)
	}
	p := projections.New(config)
	s.t.Cleanup(p.Close)
	return p
}

type hourly struct{}

func (hourly) Next(t time.Time) time.Time { return t.Add(time.Hour) }

// tally is a document of the model: what events say of one key. The same fold is done in Go as a handler, in JavaScript, and by a
// plain loop.
type tally struct {
	N     int    `json:"n"`
	Sum   int    `json:"sum"`
	Last  int64  `json:"last"`
	Chain uint32 `json:"chain"`
}

// step is the data of a model event.
type step struct {
	Keys []string `json:"keys"`
	N    int      `json:"n"`
}

const tallySource = `({
  key: e => e.data.keys,
  on: {
    Add: (doc, e) => ({ n: (doc?.n ?? 0) + 1, sum: (doc?.sum ?? 0) + e.data.n, last: e.position, chain: (Math.imul(doc?.chain ?? 7, 31) + e.data.n) >>> 0 }),
    Drop: (doc, e) => null,
  },
})`

func stepOf(e *core.Event) (s step, err error) { return s, json.Unmarshal([]byte(e.Data), &s) }

func foldTally(doc *tally, e *core.Event) (*tally, error) {
	s, err := stepOf(e)
	if err != nil || e.Type == "Drop" {
		return nil, err
	}
	if doc == nil {
		doc = &tally{Chain: 7}
	}
	return &tally{doc.N + 1, doc.Sum + s.N, int64(e.Position), doc.Chain*31 + uint32(s.N)}, nil
}

func tallyHandler() projections.Handler {
	return projections.Typed("tally", []string{"Add", "Drop"},
		func(e *core.Event) ([]string, error) {
			s, err := stepOf(e)
			return s.Keys, err
		}, foldTally)
}

// timesHandler makes other documents of the same events: sums are n times as large.
func timesHandler(n int) projections.Handler {
	return projections.Typed(fmt.Sprintf("times-%d", n), []string{"Add", "Drop"},
		func(e *core.Event) ([]string, error) {
			s, err := stepOf(e)
			return s.Keys, err
		},
		func(doc *tally, e *core.Event) (*tally, error) {
			before := 0
			if doc != nil {
				before = doc.Sum
			}
			doc, err := foldTally(doc, e)
			if doc != nil {
				doc.Sum = before + n*(doc.Sum-before)
			}
			return doc, err
		})
}

// times is a definition with it.
func times(n int, names ...string) projections.Definition {
	return projections.Definition{Topics: names, Handler: fmt.Sprintf("times-%d", n)}
}

// event is a model event.
func event(i int, kind string, n int, keys ...string) core.Event {
	data, err := json.Marshal(step{keys, n})
	if err != nil {
		panic(err)
	}
	return core.Event{ID: fmt.Sprintf("e-%d-%s", i, kind), Type: kind, Source: "/test", Subject: keys[0], DataContentType: core.DefaultContentType, Data: string(data)}
}

// sequence is n model events from number first on: several keys an event, deletions, and types that no handler has.
func sequence(first, n int) []core.Event {
	events := make([]core.Event, n)
	for i := range events {
		number := first + i
		kind := "Add"
		switch {
		case number%11 == 7:
			kind = "Drop"
		case number%13 == 3:
			kind = "Other"
		}
		keys := []string{fmt.Sprintf("k/%d", number*7919%37)}
		if number%5 == 0 {
			keys = append(keys, fmt.Sprintf("k/%d", number%17), "all")
		}
		events[i] = event(number, kind, number%101, keys...)
	}
	return events
}

// model folds topics in plain Go. Across topics the tests' keys are apart.
func (s *store) model(names ...string) map[string]string { return s.modelTimes(1, names...) }

// modelTimes is the model of times.
func (s *store) modelTimes(n int, names ...string) map[string]string {
	s.t.Helper()
	documents := map[string]*tally{}
	for _, name := range names {
		topic, err := s.registry.Open(s.t.Context(), name)
		require.NoError(s.t, err)
		for e, err := range topic.Log.Read(s.t.Context(), core.Query{}) {
			require.NoError(s.t, err)
			if e.Type == "Other" {
				continue
			}
			step, err := stepOf(&e)
			require.NoError(s.t, err)
			seen := map[string]bool{}
			for _, key := range step.Keys {
				if !seen[key] {
					documents[key], err = foldTally(documents[key], &e)
					require.NoError(s.t, err)
				}
				seen[key] = true
			}
		}
	}
	texts := map[string]string{}
	for key, doc := range documents {
		if doc != nil {
			doc.Sum *= n
			text, err := json.Marshal(doc)
			require.NoError(s.t, err)
			texts[key] = string(text)
		}
	}
	return texts
}

// documents reads all of a projection, in pages.
func (s *store) all(p *projections.Projections, name string) map[string]string {
	s.t.Helper()
	texts, q := map[string]string{}, projections.PageQuery{Limit: 7}
	for {
		page, err := p.List(s.t.Context(), name, q, projections.Fresh{})
		require.NoError(s.t, err)
		for _, d := range page.Documents {
			require.NotContains(s.t, texts, d.Key)
			texts[d.Key] = d.Value
		}
		if q.After = page.Next; q.After == "" {
			return texts
		}
	}
}

func put(t testing.TB, p *projections.Projections, name string, d projections.Definition) {
	t.Helper()
	_, err := p.Put(t.Context(), name, d)
	require.NoError(t, err)
}

// tallied is the model's definition, in Go: QuickJS under the race detector is slow.
func tallied(names ...string) projections.Definition {
	return projections.Definition{Topics: names, Handler: "tally"}
}

// scripted is the same in JavaScript.
func scripted(names ...string) projections.Definition {
	return projections.Definition{Topics: names, Source: tallySource}
}

func positionOf(n int) core.Position { return core.Position(n) }
