package topics_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/topics"
)

// storage is an adapter whose logs are at named places, reachable from every instance. The
// connection names the place; "place " before it is another spelling.
type storage struct {
	mu     sync.Mutex
	places map[string]*place
	opens  atomic.Int64
	// before is called with the place before each opening.
	before func(ctx context.Context, connection string) error
}

type place struct {
	memory.Log
	identity string
	closed   atomic.Int64
}

func (p *place) Close() error { p.closed.Add(1); return nil }

func (s *storage) Complete(config core.TopicConfig) (core.TopicConfig, error) {
	if config.Connection == "bad" {
		return config, core.Invalid("connection", "%q is bad", config.Connection)
	}
	if config.Connection == "" {
		config.Connection = "at-" + config.Name
	}
	return config, nil
}

func (s *storage) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	s.opens.Add(1)
	if s.before != nil {
		if err := s.before(ctx, config.Connection); err != nil {
			return nil, "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(config.Connection, "place ")
	found := s.places[name]
	if found == nil && id == "" {
		found = &place{identity: fmt.Sprint("log-", len(s.places))}
		s.places[name] = found
	}
	if found == nil || id != "" && id != found.identity {
		return nil, "", fmt.Errorf("%w at %s", core.ErrForeign, name)
	}
	return found, found.identity, nil
}

// world is what several instances share.
type world struct {
	storage   *storage
	documents *coretest.FlakyDocuments
	settings  map[string]string
}

func newWorld() *world {
	return &world{&storage{places: map[string]*place{}}, &coretest.FlakyDocuments{Documents: new(memory.Documents)}, map[string]string{}}
}

func (w *world) instance(t *testing.T) *topics.Registry {
	r := topics.New(topics.Config{Documents: w.documents, Default: "storage",
		Adapters: map[string]topics.Adapter{"storage": w.storage, "memory": new(memory.Topics)},
		Setting:  func(name string) (string, bool) { value, ok := w.settings[name]; return value, ok }})
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func create(t *testing.T, r *topics.Registry, config core.TopicConfig) core.TopicConfig {
	t.Helper()
	config, _, err := r.Create(t.Context(), config)
	require.NoError(t, err)
	return config
}

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a, b := w.instance(t), w.instance(t)
	config, created, err := a.Create(t.Context(), core.TopicConfig{Name: "orders", Description: "of the shop"})
	require.NoError(t, err)
	require.True(t, created)
	want := core.TopicConfig{Name: "orders", Adapter: "storage", Connection: "at-orders", Description: "of the shop"}
	require.Equal(t, want, config)
	for _, r := range []*topics.Registry{a, b} {
		got, err := r.Get(t.Context(), "orders")
		require.NoError(t, err)
		require.Equal(t, want, got)
		topic, err := r.Open(t.Context(), "orders")
		require.NoError(t, err)
		require.Equal(t, want, topic.Config)
		require.Equal(t, "log-0", topic.Identity)
		require.WithinDuration(t, time.Now(), topic.Created, time.Minute)
		again, err := r.Open(t.Context(), "orders")
		require.NoError(t, err)
		require.Same(t, topic, again)
		require.Equal(t, []*topics.Topic{topic}, r.Opened())
		for _, same := range []core.TopicConfig{want, {Name: "orders", Description: "of the shop"}} {
			_, created, err = r.Create(t.Context(), same)
			require.NoError(t, err)
			require.False(t, created)
		}
	}
	require.EqualValues(t, 2, w.storage.opens.Load(), "each instance opened it once")
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.settings["VAULT"] = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/pg/)"
	w.settings["EMPTY"] = ""
	r := w.instance(t)
	create(t, r, core.TopicConfig{Name: "orders"})
	for name, tt := range map[string]struct {
		config core.TopicConfig
		want   string
	}{
		"no name":                        {core.TopicConfig{}, "name: is missing"},
		"a bad name":                     {core.TopicConfig{Name: "../x"}, `name: "../x"`},
		"an unknown adapter":             {core.TopicConfig{Name: "a", Adapter: "floppy"}, `adapter: "floppy" is none of those that this instance has: memory, storage`},
		"what the adapter refuses":       {core.TopicConfig{Name: "a", Connection: "bad"}, `connection: "bad" is bad`},
		"a setting that is not there":    {core.TopicConfig{Name: "a", Connection: "%PG%"}, "the app setting PG, which it names, is not set"},
		"a setting that is empty":        {core.TopicConfig{Name: "a", Connection: "%EMPTY%"}, "the app setting EMPTY, which it names, is not set"},
		"an unresolved vault reference":  {core.TopicConfig{Name: "a", Connection: "%VAULT%"}, "the app setting VAULT holds a Key Vault reference that was not resolved"},
		"options that memory can't have": {core.TopicConfig{Name: "a", Adapter: "memory", Schema: "s"}, "schema: is not for a topic in memory"},
	} {
		_, _, err := r.Create(t.Context(), tt.config)
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.ErrorContains(t, err, tt.want, name)
		require.NotContains(t, err.Error(), "azure.net", "the value is not told")
	}
	for name, tt := range map[string]struct {
		config core.TopicConfig
		want   string
	}{
		"another description":           {core.TopicConfig{Name: "orders", Description: "x"}, "different configuration"},
		"another adapter":               {core.TopicConfig{Name: "orders", Adapter: "memory"}, "different configuration"},
		"another option":                {core.TopicConfig{Name: "orders", Options: map[string]string{"a": "b"}}, "different configuration"},
		"another topic's storage":       {core.TopicConfig{Name: "other", Connection: "at-orders"}, `belongs to the topic "orders"`},
		"another topic's, spelled anew": {core.TopicConfig{Name: "other", Connection: "place at-orders"}, `belongs to the topic "orders"`},
		"its own storage, spelled anew": {core.TopicConfig{Name: "orders", Connection: "place at-orders"}, "different configuration"},
	} {
		_, _, err := r.Create(t.Context(), tt.config)
		var exists *topics.ExistsError
		require.ErrorAs(t, err, &exists, name)
		require.ErrorContains(t, err, tt.want, name)
	}
	configs, _, err := r.List(t.Context(), "", 0)
	require.NoError(t, err)
	require.Len(t, configs, 1)
}

func TestWhatCannotBeOpenedIsNotRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.instance(t)
	w.storage.before = func(context.Context, string) error { return fmt.Errorf("%w: no route", core.ErrUnavailable) }
	_, _, err := r.Create(t.Context(), core.TopicConfig{Name: "orders"})
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.ErrorContains(t, err, "orders")
	_, err = r.Get(t.Context(), "orders")
	require.ErrorIs(t, err, topics.ErrTopicNotFound)
	w.storage.before = nil
	create(t, r, core.TopicConfig{Name: "orders", Description: "another one, then"})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.instance(t)
	config := create(t, r, core.TopicConfig{Name: "orders"})
	topic, err := r.Open(t.Context(), "orders")
	require.NoError(t, err)
	coretest.Append(t, topic.Log, coretest.Sample(0))
	changed := topic.Changed()
	require.NoError(t, r.Delete(t.Context(), "orders"))
	<-changed
	for _, call := range []func() error{
		func() error { return r.Delete(t.Context(), "orders") },
		func() error { _, err := r.Get(t.Context(), "orders"); return err },
		func() error { _, err := r.Open(t.Context(), "orders"); return err },
	} {
		require.ErrorIs(t, call(), topics.ErrTopicNotFound)
	}
	configs, _, err := r.List(t.Context(), "", 0)
	require.NoError(t, err)
	require.Empty(t, configs)
	var exists *topics.ExistsError
	_, _, err = r.Create(t.Context(), core.TopicConfig{Name: "orders", Description: "another"})
	require.ErrorAs(t, err, &exists)
	require.ErrorContains(t, err, "stays bound")
	_, _, err = r.Create(t.Context(), core.TopicConfig{Name: "thief", Connection: "at-orders"})
	require.ErrorAs(t, err, &exists)
	got, created, err := r.Create(t.Context(), config)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, config, got)
	topic, err = r.Open(t.Context(), "orders")
	require.NoError(t, err)
	require.Len(t, coretest.Lines(t, topic.Log, core.Query{}), 1, "its events are back")
}

func TestDeletedInMemoryIsGone(t *testing.T) {
	t.Parallel()
	r := newWorld().instance(t)
	for range 2 {
		create(t, r, core.TopicConfig{Name: "orders", Adapter: "memory"})
		topic, err := r.Open(t.Context(), "orders")
		require.NoError(t, err)
		require.Empty(t, coretest.Lines(t, topic.Log, core.Query{}))
		coretest.Append(t, topic.Log, coretest.Sample(0))
		require.NoError(t, r.Delete(t.Context(), "orders"))
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.instance(t)
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprint("topic-", i))
		create(t, r, core.TopicConfig{Name: want[i]})
	}
	require.NoError(t, r.Delete(t.Context(), "topic-3"))
	want = append(want[:3], want[4:]...)
	for _, limit := range []int{0, 1, 2, 3, 6, 100} {
		var got []string
		for after, pages := "", 0; ; pages++ {
			configs, next, err := r.List(t.Context(), after, limit)
			require.NoError(t, err)
			for _, config := range configs {
				got = append(got, config.Name)
			}
			if next == "" {
				break
			}
			require.Less(t, pages, 6, "no page is empty")
			after = next
		}
		require.Equal(t, want, got, "limit %d", limit)
	}
}

// TestFailingDocuments makes each call of a registration fail before and after its effect: the answer
// is an error or right, and repeating it in another instance makes it whole.
func TestFailingDocuments(t *testing.T) {
	t.Parallel()
	for nth := range 12 {
		for _, fault := range []coretest.Fault{coretest.FailBefore, coretest.FailAfter} {
			w := newWorld()
			var calls atomic.Int64
			w.documents.Script = func(string) coretest.Fault {
				if calls.Add(1) == int64(nth+1) {
					return fault
				}
				return coretest.Pass
			}
			config := core.TopicConfig{Name: "orders"}
			_, _, err := w.instance(t).Create(t.Context(), config)
			w.documents.Script = nil
			if err == nil {
				_, err := w.instance(t).Get(t.Context(), "orders")
				require.NoError(t, err, "call %d, fault %d: what was answered is so", nth, fault)
			}
			r := w.instance(t)
			create(t, r, config)
			_, err = r.Open(t.Context(), "orders")
			require.NoError(t, err)
			_, _, err = r.Create(t.Context(), core.TopicConfig{Name: "thief", Connection: "at-orders"})
			var exists *topics.ExistsError
			require.ErrorAs(t, err, &exists)

			calls.Store(0)
			w.documents.Script = func(string) coretest.Fault {
				if calls.Add(1) == int64(nth+1) {
					return fault
				}
				return coretest.Pass
			}
			err = r.Delete(t.Context(), "orders")
			w.documents.Script = nil
			if err != nil {
				err = r.Delete(t.Context(), "orders")
				require.True(t, err == nil || errors.Is(err, topics.ErrTopicNotFound), "got %v", err)
			}
			_, err = r.Open(t.Context(), "orders")
			require.ErrorIs(t, err, topics.ErrTopicNotFound)
		}
	}
}

func TestTwoInstancesRegisterAtOnce(t *testing.T) {
	t.Parallel()
	for round := range 30 {
		w := newWorld()
		var wins, refused atomic.Int64
		var racing sync.WaitGroup
		for i := range 8 {
			r := w.instance(t)
			racing.Go(func() {
				config := core.TopicConfig{Name: "orders", Description: fmt.Sprint(i % 2)}
				if round%2 == 1 { // one storage, many names
					config = core.TopicConfig{Name: fmt.Sprint("topic-", i%2), Connection: "shared"}
				}
				_, created, err := r.Create(t.Context(), config)
				var exists *topics.ExistsError
				switch {
				case err == nil && created:
					wins.Add(1)
				case errors.As(err, &exists):
					refused.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		racing.Wait()
		require.EqualValues(t, 1, wins.Load(), "one registered it")
		require.EqualValues(t, 4, refused.Load(), "the other configuration was refused")
		configs, _, err := w.instance(t).List(t.Context(), "", 0)
		require.NoError(t, err)
		require.Len(t, configs, 1)
	}
}

func TestOpeningIsSharedAndHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		first := w.instance(t)
		create(t, first, core.TopicConfig{Name: "slow"})
		create(t, first, core.TopicConfig{Name: "quick"})
		r := w.instance(t)
		w.storage.opens.Store(0)
		w.storage.before = func(_ context.Context, connection string) error {
			if connection == "at-slow" {
				time.Sleep(20 * time.Second)
			}
			return nil
		}
		start := time.Now()
		var opening sync.WaitGroup
		for range 50 {
			opening.Go(func() {
				if _, err := r.Open(t.Context(), "slow"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := r.Open(t.Context(), "quick")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = r.Open(ctx, "slow")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start), "who gives up does not wait")
		opening.Wait()
		require.Equal(t, 20*time.Second, time.Since(start))
		require.EqualValues(t, 2, w.storage.opens.Load())
	})
}

func TestFailedOpeningIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, reason := range []error{core.ErrUnavailable, core.ErrForeign, &core.CorruptError{Place: "there", Reason: "rot"}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			first := w.instance(t)
			create(t, first, core.TopicConfig{Name: "orders"})
			create(t, first, core.TopicConfig{Name: "payments"})
			r := w.instance(t)
			w.storage.opens.Store(0)
			w.storage.before = func(_ context.Context, connection string) error {
				if connection == "at-orders" {
					return reason
				}
				return nil
			}
			for range 100 {
				_, err := r.Open(t.Context(), "orders")
				require.ErrorIs(t, err, reason)
				require.ErrorContains(t, err, `"orders"`)
			}
			require.EqualValues(t, 1, w.storage.opens.Load(), "it is not tried for every call")
			require.ErrorIs(t, r.Failed()["orders"], reason)
			_, err := r.Open(t.Context(), "payments")
			require.NoError(t, err)
			w.storage.before = nil
			time.Sleep(2 * time.Second)
			_, err = r.Open(t.Context(), "orders")
			require.NoError(t, err)
			require.Empty(t, r.Failed())
		})
	}
}

func TestAConfigurationThatNoLongerWorksIsNotTheCallersFault(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.settings["PG"] = "a place"
	create(t, w.instance(t), core.TopicConfig{Name: "orders", Connection: "%PG%"})
	require.Contains(t, w.storage.places, "a place")
	delete(w.settings, "PG")
	_, err := w.instance(t).Open(t.Context(), "orders")
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.ErrorContains(t, err, "PG")
	var invalid *core.InvalidError
	require.False(t, errors.As(err, &invalid))
}

func TestChangesReachOtherInstancesInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		a, b := w.instance(t), w.instance(t)
		config := create(t, a, core.TopicConfig{Name: "orders"})
		old, err := b.Open(t.Context(), "orders")
		require.NoError(t, err)
		require.NoError(t, a.Delete(t.Context(), "orders"))
		start := time.Now()
		for err == nil {
			time.Sleep(100 * time.Millisecond)
			_, err = b.Open(t.Context(), "orders")
		}
		require.ErrorIs(t, err, topics.ErrTopicNotFound)
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		create(t, a, config)
		topic, err := b.Open(t.Context(), "orders")
		require.NoError(t, err)
		require.NotSame(t, old, topic)

		require.NoError(t, a.Delete(t.Context(), "orders"))
		time.Sleep(10 * time.Second) // nobody used it meanwhile
		_, err = b.Open(t.Context(), "orders")
		require.ErrorIs(t, err, topics.ErrTopicNotFound)
		time.Sleep(10 * time.Minute)
		require.EqualValues(t, 4, old.Log.(*place).closed.Load(), "what was replaced is closed")
	})
}

func TestAnOpenTopicOutlivesTheRegistry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := w.instance(t)
		create(t, r, core.TopicConfig{Name: "orders"})
		w.documents.Script = func(string) coretest.Fault { return coretest.FailBefore }
		for range 100 {
			time.Sleep(time.Second)
			_, err := r.Open(t.Context(), "orders")
			require.NoError(t, err)
		}
		_, err := r.Open(t.Context(), "payments")
		require.ErrorIs(t, err, coretest.ErrInjected)
	})
}

func TestMove(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a, b := w.instance(t), w.instance(t)
	from := create(t, a, core.TopicConfig{Name: "orders"})
	create(t, a, core.TopicConfig{Name: "payments"})
	old, err := b.Open(t.Context(), "orders")
	require.NoError(t, err)
	_, err = b.Reload(t.Context(), old)
	require.ErrorIs(t, err, core.ErrClosed, "it has not moved yet")
	same, err := b.Open(t.Context(), "orders")
	require.NoError(t, err)
	require.Same(t, old, same)

	var exists *topics.ExistsError
	_, err = a.Move(t.Context(), from, core.TopicConfig{Connection: "at-payments"})
	require.ErrorAs(t, err, &exists)
	changed := old.Changed()
	for range 2 { // again is no error
		to, err := a.Move(t.Context(), from, core.TopicConfig{Connection: "elsewhere"})
		require.NoError(t, err)
		require.Equal(t, core.TopicConfig{Name: "orders", Adapter: "storage", Connection: "elsewhere"}, to)
	}
	_, err = a.Move(t.Context(), from, core.TopicConfig{Connection: "a third place"})
	require.ErrorAs(t, err, &exists)
	moved, err := b.Reload(t.Context(), old)
	require.NoError(t, err)
	<-changed
	require.Equal(t, "elsewhere", moved.Config.Connection)
	require.NotEqual(t, old.Identity, moved.Identity)
	_, err = b.Reload(t.Context(), old)
	require.NoError(t, err, "who comes late gets the new one")
	_, _, err = a.Create(t.Context(), core.TopicConfig{Name: "thief", Connection: "at-orders"})
	require.ErrorAs(t, err, &exists, "the old storage stays the topic's")
}

func TestRegistrationsThatAreNotAreCorrupt(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "{", `{"config":{"name":"other"}}`} {
		w := newWorld()
		_, err := w.documents.Write(t.Context(), core.Write{Collection: "topics", Key: "orders", Value: []byte(value)})
		require.NoError(t, err)
		r := w.instance(t)
		_, err = r.Open(t.Context(), "orders")
		require.ErrorIs(t, err, core.ErrCorrupt)
		_, _, err = r.Create(t.Context(), core.TopicConfig{Name: "orders"})
		require.ErrorIs(t, err, core.ErrCorrupt)
		_, _, err = r.List(t.Context(), "", 0)
		require.ErrorIs(t, err, core.ErrCorrupt)
	}
}

func TestStoredForm(t *testing.T) {
	t.Parallel()
	w := newWorld()
	create(t, w.instance(t), core.TopicConfig{Name: "orders", Connection: "there", Options: map[string]string{"a": "b"}})
	document, err := w.documents.Get(t.Context(), "topics", "orders")
	require.NoError(t, err)
	var stored map[string]any
	require.NoError(t, json.Unmarshal(document.Value, &stored))
	require.Contains(t, stored, "created")
	delete(stored, "created")
	require.Equal(t, map[string]any{"identity": "log-0", "config": map[string]any{"name": "orders", "adapter": "storage",
		"connection": "there", "options": map[string]any{"a": "b"}}}, stored)
	document, err = w.documents.Get(t.Context(), "topic-logs", "log-0")
	require.NoError(t, err)
	require.JSONEq(t, `{"topic":"orders"}`, string(document.Value))
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	topic := new(topics.Topic)
	changed := topic.Changed()
	require.Equal(t, changed, topic.Changed())
	topic.Advance(3)
	<-changed
	changed = topic.Changed()
	topic.Advance(3)
	topic.Advance(2)
	select {
	case <-changed:
		t.Fatal("nothing changed")
	default:
	}
	topic.Advance(4)
	<-changed
}

func TestClosedRegistryOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.instance(t)
	create(t, r, core.TopicConfig{Name: "orders"})
	require.NoError(t, r.Close())
	require.EqualValues(t, 1, w.storage.places["at-orders"].closed.Load())
	_, err := r.Open(t.Context(), "orders")
	require.ErrorIs(t, err, core.ErrUnavailable)
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "orders", "a-b_c.d", "a..b", strings.Repeat("a", 100)} {
		require.NoError(t, topics.CheckName(name), name)
	}
	for _, name := range []string{"", "A", "Orders", "-a", "a-", ".", "..", ".a", "a.", "_a", "a/b", "../a", "a\x00b", "a b", "ä", "a%2e", strings.Repeat("a", 101)} {
		var invalid *core.InvalidError
		require.ErrorAs(t, topics.CheckName(name), &invalid, "%q", name)
		require.Equal(t, "name", invalid.Place)
	}
}

// TestDeletedWhileItOpens deletes a topic whose log is just being opened: the opening, which read the
// registration before, must not bring it back.
func TestDeletedWhileItOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		create(t, w.instance(t), core.TopicConfig{Name: "orders"})
		r := w.instance(t)
		w.storage.before = func(context.Context, string) error { time.Sleep(5 * time.Second); return nil }
		opened := make(chan error, 1)
		go func() {
			_, err := r.Open(t.Context(), "orders")
			opened <- err
		}()
		time.Sleep(time.Second)
		require.NoError(t, r.Delete(t.Context(), "orders"))
		require.ErrorIs(t, <-opened, topics.ErrTopicNotFound)
		_, err := r.Open(t.Context(), "orders")
		require.ErrorIs(t, err, topics.ErrTopicNotFound)
		time.Sleep(10 * time.Minute)
		require.EqualValues(t, 1, w.storage.places["at-orders"].closed.Load(), "the log that was opened is closed")
	})
}

// TestALostAnswerIsFoundOutAbout loses the answer of each write: it counts as made.
func TestALostAnswerIsFoundOutAbout(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.instance(t)
	w.documents.Script = func(call string) coretest.Fault {
		if call == "Documents.Write" {
			return coretest.FailAfter
		}
		return coretest.Pass
	}
	for range 2 {
		_, created, err := r.Create(t.Context(), core.TopicConfig{Name: "orders"})
		require.NoError(t, err)
		require.True(t, created)
		require.NoError(t, r.Delete(t.Context(), "orders"))
	}
}
