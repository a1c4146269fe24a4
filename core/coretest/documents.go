package coretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// OpenDocuments opens one store of documents, the same at every call, as another process
// would.
type OpenDocuments func() core.Documents

// TestDocuments holds an adapter's Documents against what the port promises. empty gives
// each test a store of its own, without documents.
func TestDocuments(t *testing.T, empty func(t *testing.T) OpenDocuments) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, OpenDocuments)
	}{
		{"an empty store has nothing", emptyDocuments},
		{"what is put is got, byte for byte", putGet},
		{"a write that expects another version conflicts", versions},
		{"a deletion expects a version too", deletion},
		{"of writers that expect one version one wins", raceDocuments},
		{"counting up from many handles loses nothing", counting},
		{"a list is ordered, by prefix and by page", listing},
		{"any text is a key, and no two are one", oddKeys},
		{"many writes of one call are each made", manyWrites},
		{"a list can be stopped and cancelled", listStops},
		{"a write after a lost answer is found in place", lostAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) { t.Parallel(); tt.test(t, empty(t)) })
	}
}

func put(t *testing.T, d core.Documents, key, value, expect string) string {
	t.Helper()
	got, err := d.Write(t.Context(), core.Write{Collection: "things", Key: key, Value: []byte(value), Expect: expect})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.NotEmpty(t, got[0])
	return got[0]
}

func keysOf(t *testing.T, d core.Documents, collection string, q core.ListQuery) []string {
	t.Helper()
	keys := []string{}
	for document, err := range d.List(t.Context(), collection, q) {
		require.NoError(t, err)
		keys = append(keys, document.Key)
	}
	return keys
}

func emptyDocuments(t *testing.T, open OpenDocuments) {
	d := open()
	_, err := d.Get(t.Context(), "things", "a")
	require.ErrorIs(t, err, core.ErrNotFound)
	require.Empty(t, keysOf(t, d, "things", core.ListQuery{}))
	got, err := d.Write(t.Context())
	require.NoError(t, err)
	require.Empty(t, got)
}

func putGet(t *testing.T, open OpenDocuments) {
	d := open()
	for i, value := range []string{"{}", "", "\x00\xff not text", strings.Repeat("long ", 300_000)} {
		key := fmt.Sprint("k", i)
		version := put(t, d, key, value, "")
		for _, handle := range []core.Documents{d, open()} {
			got, err := handle.Get(t.Context(), "things", key)
			require.NoError(t, err)
			require.Equal(t, key, got.Key)
			require.True(t, value == string(got.Value), "the value of %s is not what was put", key)
			require.Equal(t, version, got.Version)
		}
	}
	_, err := d.Get(t.Context(), "others", "k0")
	require.ErrorIs(t, err, core.ErrNotFound)
}

func versions(t *testing.T, open OpenDocuments) {
	d := open()
	v1 := put(t, d, "a", "1", "")
	v2 := put(t, d, "a", "2", v1)
	require.NotEqual(t, v1, v2)
	for _, expect := range []string{"", v1, "nonsense"} {
		got, err := d.Write(t.Context(), core.Write{Collection: "things", Key: "a", Value: []byte("x"), Expect: expect})
		require.ErrorIs(t, err, core.ErrConflict, "expecting %q", expect)
		require.Equal(t, []string{""}, got)
	}
	_, err := d.Write(t.Context(), core.Write{Collection: "things", Key: "absent", Value: []byte("x"), Expect: v1})
	require.ErrorIs(t, err, core.ErrConflict)
	got, err := open().Get(t.Context(), "things", "a")
	require.NoError(t, err)
	require.Equal(t, "2", string(got.Value))
	v3 := put(t, d, "a", "2", v2)
	require.NotEqual(t, v2, v3, "the same value again is another version")
}

func deletion(t *testing.T, open OpenDocuments) {
	d := open()
	v1 := put(t, d, "a", "1", "")
	for _, expect := range []string{"", "nonsense"} {
		_, err := d.Write(t.Context(), core.Write{Collection: "things", Key: "a", Expect: expect})
		require.ErrorIs(t, err, core.ErrConflict)
	}
	got, err := d.Write(t.Context(), core.Write{Collection: "things", Key: "a", Expect: v1})
	require.NoError(t, err)
	require.Equal(t, []string{""}, got)
	_, err = open().Get(t.Context(), "things", "a")
	require.ErrorIs(t, err, core.ErrNotFound)
	require.Empty(t, keysOf(t, d, "things", core.ListQuery{}))
	_, err = d.Write(t.Context(), core.Write{Collection: "things", Key: "a", Expect: v1})
	require.ErrorIs(t, err, core.ErrConflict)
	v2 := put(t, d, "a", "1", "")
	require.NotEqual(t, v1, v2, "a version is never given twice")
}

func raceDocuments(t *testing.T, open OpenDocuments) {
	handles := []core.Documents{open(), open()}
	expect := ""
	for round := range 15 {
		errs := make([]error, 6)
		var racing sync.WaitGroup
		for i := range errs {
			racing.Go(func() {
				_, errs[i] = handles[i%2].Write(t.Context(),
					core.Write{Collection: "things", Key: "raced", Value: fmt.Append(nil, round, i), Expect: expect})
			})
		}
		racing.Wait()
		require.Equal(t, 1, countWins(t, errs), "round %d: %v", round, errs)
		got, err := handles[1].Get(t.Context(), "things", "raced")
		require.NoError(t, err)
		expect = got.Version
	}
}

func counting(t *testing.T, open OpenDocuments) {
	const counters, each = 4, 20
	put(t, open(), "n", "", "")
	var running sync.WaitGroup
	for range counters {
		d := open()
		running.Go(func() {
			for range each {
				for !addOne(t, d) {
				}
			}
		})
	}
	running.Wait()
	got, err := open().Get(t.Context(), "things", "n")
	require.NoError(t, err)
	require.Len(t, got.Value, counters*each)
}

// addOne makes the document one byte longer, and reports whether nobody was faster.
func addOne(t *testing.T, d core.Documents) bool {
	got, err := d.Get(t.Context(), "things", "n")
	if err == nil {
		_, err = d.Write(t.Context(), core.Write{Collection: "things", Key: "n", Value: append(got.Value, 'x'), Expect: got.Version})
	}
	if err != nil && !errors.Is(err, core.ErrConflict) {
		t.Error(err)
		return true
	}
	return err == nil
}

func listing(t *testing.T, open OpenDocuments) {
	d := open()
	keys := []string{"a", "a/1", "a/2", "a b", "A", "ab", "b", "ü", "a%", strings.Repeat("long/", 60) + "1", strings.Repeat("long/", 60) + "2", "longer"}
	for _, key := range keys {
		put(t, d, key, "of "+key, "")
	}
	_, err := d.Write(t.Context(), core.Write{Collection: "other things", Key: "z", Value: []byte("{}")})
	require.NoError(t, err)
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(core.EscapeKey(a), core.EscapeKey(b)) })
	require.Equal(t, keys, keysOf(t, d, "things", core.ListQuery{}))
	require.Equal(t, []string{"z"}, keysOf(t, d, "other things", core.ListQuery{}))
	for _, prefix := range []string{"a", "a/", "A", "long", strings.Repeat("long/", 59), strings.Repeat("long/", 60), strings.Repeat("long/", 60) + "2", "none"} {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, prefix) })
		require.Equal(t, want, keysOf(t, d, "things", core.ListQuery{Prefix: prefix}), "prefix %q", prefix)
		require.Equal(t, want[:min(2, len(want))], keysOf(t, d, "things", core.ListQuery{Prefix: prefix, Limit: 2}), "prefix %q", prefix)
	}
	for i, key := range keys {
		require.Equal(t, keys[i+1:], keysOf(t, d, "things", core.ListQuery{After: key}), "after %q", key)
	}
	require.Equal(t, keys, keysOf(t, d, "things", core.ListQuery{After: "%"}), "after a key that is not there")
	for document, err := range d.List(t.Context(), "things", core.ListQuery{}) {
		require.NoError(t, err)
		got, err := d.Get(t.Context(), "things", document.Key)
		require.NoError(t, err)
		require.Equal(t, got, document)
		require.Equal(t, "of "+document.Key, string(document.Value))
	}
}

func oddKeys(t *testing.T, open OpenDocuments) {
	d := open()
	keys := []string{".", "..", "../../etc/passwd", "a/b", "a%2Fb", "a%2fb", "%", "%%", "CON", "con", "a.", "a", " a", "a ", "\x00", "a\x00", "a\n",
		`a\b`, "\"'; drop table documents --", "é", "e\u0301", "😀", strings.Repeat("x", 200), strings.Repeat("x", 201), strings.Repeat("x", 5000),
		strings.Repeat("X", 300), strings.Repeat("/", 70), "~", "x~y"}
	for _, key := range keys {
		put(t, d, key, key, "")
	}
	for _, key := range keys {
		got, err := open().Get(t.Context(), "things", key)
		require.NoError(t, err, "%q", key)
		require.Equal(t, key, got.Key)
		require.Equal(t, key, string(got.Value))
	}
	require.Len(t, keysOf(t, d, "things", core.ListQuery{}), len(keys))
	for _, collection := range []string{"..", "a/b", "THINGS", "things.x", strings.Repeat("c", 300)} {
		_, err := d.Write(t.Context(), core.Write{Collection: collection, Key: "k", Value: []byte("v")})
		require.NoError(t, err)
		require.Equal(t, []string{"k"}, keysOf(t, d, collection, core.ListQuery{}))
	}
}

func manyWrites(t *testing.T, open OpenDocuments) {
	d := open()
	taken := put(t, d, "k-050", "old", "")
	var writes []core.Write
	for i := range 100 {
		writes = append(writes, core.Write{Collection: "things", Key: fmt.Sprintf("k-%03d", i), Value: fmt.Append(nil, i)})
	}
	got, err := d.Write(t.Context(), writes...)
	require.ErrorIs(t, err, core.ErrConflict)
	require.Len(t, got, 100)
	require.Empty(t, got[50])
	for i := range writes {
		document, err := d.Get(t.Context(), "things", writes[i].Key)
		writes[i].Expect = ""
		if err == nil {
			writes[i].Expect = document.Version
		}
		if got[i] != "" {
			require.Equal(t, got[i], document.Version, "a version that was told is there")
		}
	}
	require.Equal(t, taken, writes[50].Expect)
	got, err = d.Write(t.Context(), writes...)
	require.NoError(t, err)
	require.NotContains(t, got, "")
	require.Len(t, keysOf(t, open(), "things", core.ListQuery{}), 100)
}

func listStops(t *testing.T, open OpenDocuments) {
	d := open()
	for i := range 20 {
		put(t, d, fmt.Sprint(i), "v", "")
	}
	for range d.List(t.Context(), "things", core.ListQuery{}) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range d.List(ctx, "things", core.ListQuery{}) {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
}

func lostAnswer(t *testing.T, open OpenDocuments) {
	d := open()
	flaky := &FlakyDocuments{Documents: d, Script: Times(1, "Documents.Write", FailAfter)}
	write := core.Write{Collection: "things", Key: "a", Value: []byte("mine")}
	_, err := flaky.Write(t.Context(), write)
	require.ErrorIs(t, err, ErrInjected)
	_, err = flaky.Write(t.Context(), write)
	require.ErrorIs(t, err, core.ErrConflict)
	got, err := d.Get(t.Context(), "things", "a")
	require.NoError(t, err)
	require.Equal(t, "mine", string(got.Value))
}
