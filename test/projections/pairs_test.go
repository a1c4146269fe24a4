// Package projections_test folds events on every kind of storage into documents on every kind of storage, with runs that
// are cut off and writes that fail, and kills the binary while it rebuilds.
package projections_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/adapters/fs"
	"eventstore/adapters/javascript"
	"eventstore/adapters/memory"
	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/projections"
	"eventstore/core/topics"
	"eventstore/test/servers"
)

// long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }

// size is how many events there are, over how many repositories. EVENTSTORE_TEST_EVENTS says otherwise.
func size() (events, repositories int) {
	if n, err := strconv.Atoi(os.Getenv("EVENTSTORE_TEST_EVENTS")); err == nil && n > 0 {
		return n, max(1, n/20)
	}
	if long() {
		return 100_000, 5_000
	}
	return 1_500, 75
}

// kind is a kind of storage: it gives handles of one place, each as another process would have it.
type kind struct {
	name      string
	topics    func(t *testing.T) func() (topics.Adapter, core.TopicConfig)
	documents func(t *testing.T) func() core.Documents
}

var kinds = []kind{
	{"memory", memoryTopics, memoryDocuments}, {"fs", fileTopics, fileDocuments},
	{"blob", blobTopics, blobDocuments}, {"postgres", postgresTopics, postgresDocuments},
}

func memoryTopics(*testing.T) func() (topics.Adapter, core.TopicConfig) {
	shared := new(memory.Topics)
	return func() (topics.Adapter, core.TopicConfig) { return shared, core.TopicConfig{} }
}

func memoryDocuments(*testing.T) func() core.Documents {
	shared := new(memory.Documents)
	return func() core.Documents { return shared }
}

func fileTopics(t *testing.T) func() (topics.Adapter, core.TopicConfig) {
	dir := t.TempDir()
	return func() (topics.Adapter, core.TopicConfig) { return &fs.Topics{Dir: dir}, core.TopicConfig{} }
}

func fileDocuments(t *testing.T) func() core.Documents {
	dir := t.TempDir()
	return func() core.Documents {
		d, err := fs.OpenDocuments(dir)
		require.NoError(t, err)
		return d
	}
}

func unique() string { return "test-" + strings.ToLower(rand.Text()[:16]) }

func account(t *testing.T) blob.Account {
	a, err := blob.ParseAccount("connection", servers.Blob(t))
	require.NoError(t, err)
	return a
}

func blobTopics(t *testing.T) func() (topics.Adapter, core.TopicConfig) {
	in := unique()
	return func() (topics.Adapter, core.TopicConfig) {
		return blob.NewTopics(blob.Config{Client: new(blob.Client), Account: account(t)}), core.TopicConfig{Options: map[string]string{"container": in}}
	}
}

func blobDocuments(t *testing.T) func() core.Documents {
	in := unique()
	return func() core.Documents {
		d, err := blob.NewDocuments(new(blob.Client), account(t), in)
		require.NoError(t, err)
		return d
	}
}

func postgresTopics(t *testing.T) func() (topics.Adapter, core.TopicConfig) {
	url, schema := servers.Postgres(t), unique()
	return func() (topics.Adapter, core.TopicConfig) {
		adapter := postgres.NewTopics(postgres.Config{})
		t.Cleanup(adapter.Close)
		return adapter, core.TopicConfig{Connection: url, Schema: schema}
	}
}

func postgresDocuments(t *testing.T) func() core.Documents {
	url, schema := servers.Postgres(t), unique()
	return func() core.Documents {
		adapter := postgres.NewTopics(postgres.Config{Connection: url})
		t.Cleanup(adapter.Close)
		d, err := adapter.Documents(url, schema)
		require.NoError(t, err)
		return d
	}
}

// repository is what the events say of one.
type repository struct {
	Pushes int    `json:"pushes"`
	Stars  int    `json:"stars"`
	Last   string `json:"last"`
}

const source = `({
  key: e => e.type === "Delete" ? e.subject : [e.subject, "by/" + e.data.actor],
  on: {
    Push: (doc, e) => ({ pushes: (doc?.pushes ?? 0) + e.data.commits, stars: doc?.stars ?? 0, last: e.id }),
    Watch: (doc, e) => ({ pushes: doc?.pushes ?? 0, stars: (doc?.stars ?? 0) + 1, last: e.id }),
    Delete: () => null,
  },
})`

type data struct {
	Actor   string `json:"actor"`
	Commits int    `json:"commits"`
	Text    string `json:"text"`
}

func keysOf(e *core.Event) ([]string, error) {
	if e.Type == "Delete" {
		return []string{e.Subject}, nil
	}
	var d data
	err := json.Unmarshal([]byte(e.Data), &d)
	return []string{e.Subject, "by/" + d.Actor}, err
}

func fold(doc *repository, e *core.Event) (*repository, error) {
	if e.Type == "Delete" {
		return nil, nil
	}
	var d data
	if err := json.Unmarshal([]byte(e.Data), &d); err != nil {
		return nil, err
	}
	next := repository{Last: e.ID}
	if doc != nil {
		next.Pushes, next.Stars = doc.Pushes, doc.Stars
	}
	if e.Type == "Push" {
		next.Pushes += d.Commits
	} else {
		next.Stars++
	}
	return &next, nil
}

func eventsFrom(first, n, repositories int) []core.Event {
	events := make([]core.Event, n)
	for k := range events {
		i := first + k
		text, _ := json.Marshal(data{fmt.Sprintf("u%d", i%(repositories/3+1)), i % 9, strings.Repeat("x", 180)})
		events[k] = core.Event{ID: fmt.Sprintf("e-%d", i), Type: []string{"Push", "Push", "Watch", "Push", "Watch", "Push", "Delete"}[i%7], Source: "/github",
			Subject: fmt.Sprintf("r%d", i*7919%repositories), DataContentType: core.DefaultContentType, Data: string(text)}
	}
	return events
}

// plain folds the events in a loop.
func plain(t *testing.T, events []core.Event) map[string]string {
	documents, texts := map[string]*repository{}, map[string]string{}
	for i := range events {
		keys, err := keysOf(&events[i])
		require.NoError(t, err)
		for _, key := range keys {
			documents[key], err = fold(documents[key], &events[i])
			require.NoError(t, err)
		}
	}
	for key, doc := range documents {
		if doc != nil {
			text, err := json.Marshal(doc)
			require.NoError(t, err)
			texts[key] = string(text)
		}
	}
	return texts
}

// instance is one process's projections, over handles of its own; now and then a write of documents fails, before or
// after its effect.
type instance struct {
	*projections.Projections
	registry *topics.Registry
	flaky    *coretest.FlakyDocuments
}

func newInstance(t *testing.T, documents core.Documents, adapter topics.Adapter) *instance {
	i := &instance{flaky: &coretest.FlakyDocuments{Documents: documents}}
	i.registry = topics.New(topics.Config{Documents: documents, Default: "x", Adapters: map[string]topics.Adapter{"x": adapter}})
	t.Cleanup(func() { _ = i.registry.Close() })
	i.Projections = projections.New(projections.Config{
		Topics: i.registry, Documents: i.flaky, StepEvents: 500, Backoff: time.Millisecond, MaxBackoff: time.Millisecond,
		Compile: func(ctx context.Context, source string) (projections.Program, error) {
			return javascript.Compile(ctx, source)
		},
		Handlers: []projections.Handler{projections.Typed("repositories", []string{"Push", "Watch", "Delete"}, keysOf, fold)},
	})
	t.Cleanup(i.Close)
	return i
}

func fails(call string) coretest.Fault {
	if call != "Documents.Write" || mathrand.IntN(20) > 0 {
		return coretest.Pass
	}
	return []coretest.Fault{coretest.FailBefore, coretest.FailAfter}[mathrand.IntN(2)]
}

// On each pair of storages the documents are the plain fold, after runs that were cut off fifty times, of two instances at once, while
// events came and writes failed; and a rebuild makes the same.
func TestEveryPairOfStorages(t *testing.T) {
	for _, events := range kinds {
		for _, documents := range kinds {
			t.Run(events.name+" into "+documents.name, func(t *testing.T) {
				t.Parallel()
				openTopics, openDocuments := events.topics(t), documents.documents(t)
				adapter, config := openTopics()
				a := newInstance(t, openDocuments(), adapter)
				config.Name, config.Adapter = "github", "x"
				_, _, err := a.registry.Create(t.Context(), config)
				require.NoError(t, err)
				adapter, _ = openTopics()
				b := newInstance(t, openDocuments(), adapter)
				d := projections.Definition{Topics: []string{"github"}, Handler: "repositories"}
				if events.name == "fs" && documents.name == "fs" || long() { // QuickJS is slow under the race detector
					d = projections.Definition{Topics: []string{"github"}, Source: source}
				}
				exact(t, a, b, d)
			})
		}
	}
}

func exact(t *testing.T, a, b *instance, d projections.Definition) {
	_, err := a.Put(t.Context(), "repositories", d)
	require.NoError(t, err)
	n, repositories := size()
	all := eventsFrom(0, n, repositories)
	a.flaky.Script, b.flaky.Script = fails, fails
	var driving sync.WaitGroup
	driving.Go(func() { publish(t, a.registry, all) })
	for _, p := range []*instance{a, b} {
		driving.Go(func() {
			for range 25 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(mathrand.IntN(60))*time.Millisecond)
				_ = p.Project(ctx) // it is cut off: that is the point
				cancel()
			}
		})
	}
	driving.Wait()
	a.flaky.Script, b.flaky.Script = nil, nil
	want := plain(t, all)
	require.Equal(t, want, read(t, b, n))
	before, err := b.Status(t.Context(), "repositories")
	require.NoError(t, err)
	require.Equal(t, projections.Running, before.State)
	a.flaky.Script = fails
	for begun := time.Now(); ; {
		err := a.Replay(t.Context(), "repositories", func(projections.Progress) {})
		if err == nil {
			break
		}
		require.Less(t, time.Since(begun), 2*time.Minute, "the rebuild does not end: %v", err)
	}
	require.Equal(t, want, read(t, b, n))
	after, err := b.Status(t.Context(), "repositories")
	require.NoError(t, err)
	require.Greater(t, after.Version, before.Version)
	require.EqualValues(t, len(want), after.Documents)
	require.NotEmpty(t, after.Digest)
}

// publish appends events, some at a time.
func publish(t *testing.T, registry *topics.Registry, events []core.Event) {
	topic, err := registry.Open(t.Context(), "github")
	if err != nil {
		t.Error(err)
		return
	}
	for n := 0; len(events) > 0; events = events[n:] {
		n = min(len(events), max(1, len(events)/8))
		head, err := topic.Log.Head(t.Context())
		if err == nil {
			sealed, _ := core.Seal(head, time.Now(), events[:n])
			err = topic.Log.Append(t.Context(), head, sealed)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// read reads all documents, once they reflect n events.
func read(t *testing.T, p *instance, n int) map[string]string {
	got, q := map[string]string{}, projections.PageQuery{Limit: 1000}
	fresh := projections.Fresh{At: projections.Positions{"github": core.Position(n)}, Wait: time.Minute}
	for {
		page, err := p.List(t.Context(), "repositories", q, fresh)
		require.NoError(t, err)
		for _, d := range page.Documents {
			got[d.Key] = d.Value
		}
		if q.After = page.Next; q.After == "" {
			return got
		}
	}
}
