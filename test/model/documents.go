package model

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/adapters/memory"
	"eventstore/core"
)

// Documents makes random commands to a store of documents, through handles as [Log] does.
func Documents(t *rapid.T, open func() core.Documents) (commands int) {
	m := &documents{want: new(memory.Documents), handles: []core.Documents{open(), open()}, versions: map[string]string{"": ""}}
	t.Repeat(map[string]func(*rapid.T){
		"write": m.write,
		"get":   m.get,
		"list":  m.list,
		"":      func(*rapid.T) { m.commands++ },
	})
	return m.commands
}

type documents struct {
	want     *memory.Documents
	handles  []core.Documents
	versions map[string]string // of the store, by the model's
	past     []string          // the model's versions that were ever given
	commands int
}

func (m *documents) handle(t *rapid.T) core.Documents {
	return m.handles[rapid.IntRange(0, len(m.handles)-1).Draw(t, "handle")]
}

var (
	keys        = rapid.SampledFrom([]string{"a", "a/b", "ab", "A", "ü", "..", "b%2F"})
	collections = rapid.SampledFrom([]string{"things", "Things"})
)

// write puts or deletes up to three documents in one call, each expecting the version it has, one that is past, or none.
func (m *documents) write(t *rapid.T) {
	type place struct{ collection, key string }
	at := rapid.Custom(func(t *rapid.T) place { return place{collections.Draw(t, "collection"), keys.Draw(t, "key")} })
	var ours, theirs []core.Write
	for _, p := range rapid.SliceOfNDistinct(at, 1, 3, rapid.ID[place]).Draw(t, "places") {
		w := core.Write{Collection: p.collection, Key: p.key, Expect: m.expect(t, p.collection, p.key)}
		if rapid.IntRange(0, 3).Draw(t, "deletes") > 0 {
			w.Value = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")...)
		}
		ours = append(ours, w)
		w.Expect = m.versions[w.Expect]
		theirs = append(theirs, w)
	}
	want, wantErr := m.want.Write(context.Background(), ours...)
	got, gotErr := m.handle(t).Write(context.Background(), theirs...)
	require.Equal(t, isConflict(t, wantErr), isConflict(t, gotErr))
	for i := range want {
		require.Equal(t, want[i] == "", got[i] == "", "of %+v", theirs[i])
		if want[i] != "" {
			m.versions[want[i]] = got[i]
			m.past = append(m.past, want[i])
		}
	}
}

// expect draws the model's version that a write expects.
func (m *documents) expect(t *rapid.T, collection, key string) string {
	now, err := m.want.Get(context.Background(), collection, key)
	switch n := rapid.IntRange(0, 9).Draw(t, "expects"); {
	case n < 7 && err == nil:
		return now.Version
	case n < 9 || len(m.past) == 0:
		return ""
	}
	return rapid.SampledFrom(m.past).Draw(t, "past")
}

func (m *documents) get(t *rapid.T) {
	collection, key := collections.Draw(t, "collection"), keys.Draw(t, "key")
	want, wantErr := m.want.Get(context.Background(), collection, key)
	got, gotErr := m.handle(t).Get(context.Background(), collection, key)
	if wantErr != nil {
		require.True(t, errors.Is(wantErr, core.ErrNotFound) && errors.Is(gotErr, core.ErrNotFound), "want %v, got %v", wantErr, gotErr)
		return
	}
	require.NoError(t, gotErr)
	require.Equal(t, m.of(want), got)
}

// of is a document of the model as the store has it.
func (m *documents) of(d core.Document) core.Document {
	d.Version = m.versions[d.Version]
	if d.Value == nil {
		d.Value = []byte{}
	}
	return d
}

func (m *documents) list(t *rapid.T) {
	collection := collections.Draw(t, "collection")
	q := core.ListQuery{Prefix: rapid.SampledFrom([]string{"", "a", "a/", "."}).Draw(t, "prefix"), Limit: rapid.IntRange(0, 4).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "after") {
		q.After = keys.Draw(t, "key")
	}
	var want, got []core.Document
	for d, err := range m.want.List(context.Background(), collection, q) {
		require.NoError(t, err)
		want = append(want, m.of(d))
	}
	for d, err := range m.handle(t).List(context.Background(), collection, q) {
		require.NoError(t, err)
		got = append(got, d)
	}
	require.Equal(t, want, got, "%+v", q)
}
