// Package model holds random sequences of commands to an adapter against the same to the memory adapter: their answers agree, byte
// for byte. Where they do not, rapid shrinks the sequence to the shortest that shows it.
package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
)

// Log makes random commands to a log through several handles, of which open gives one more at every call, as to another process.
func Log(t *rapid.T, open func() core.Log) (commands int) {
	m := &logs{want: new(memory.Log), open: open, handles: []core.Log{open(), open()}}
	defer func() {
		for _, log := range m.handles {
			closeLog(t, log)
		}
	}()
	t.Repeat(map[string]func(*rapid.T){
		"append":       m.append,
		"append stale": m.appendStale,
		"read":         m.read,
		"find":         m.find,
		"head":         m.head,
		"open anew":    m.openAnew,
		"":             func(*rapid.T) { m.commands++ },
	})
	return m.commands
}

type logs struct {
	want     *memory.Log
	open     func() core.Log
	handles  []core.Log
	events   int
	at       time.Duration
	stale    []core.Head
	commands int
}

func closeLog(t *rapid.T, log core.Log) {
	if closer, ok := log.(io.Closer); ok {
		require.NoError(t, closer.Close())
	}
}

func (m *logs) handle(t *rapid.T) core.Log {
	return m.handles[rapid.IntRange(0, len(m.handles)-1).Draw(t, "handle")]
}

// append appends some events, of texts of all kinds, at the head.
func (m *logs) append(t *rapid.T) {
	head, _ := m.want.Head(context.Background())
	events := coretest.Samples(m.events, rapid.IntRange(1, 6).Draw(t, "events"))
	for i := range events {
		m.at += time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second
		events[i].Recorded = coretest.Start.Add(m.at)
		events[i].DataBase64, events[i].Data = "", `"`+rapid.StringMatching(`[a-zé😀 ]{0,40}`).Draw(t, "data")+`"`
	}
	sealed, _ := core.Seal(head, coretest.Start, events)
	require.NoError(t, m.handle(t).Append(context.Background(), head, sealed))
	require.NoError(t, m.want.Append(context.Background(), head, sealed))
	m.events += len(events)
	m.stale = append(m.stale, head)
}

// appendStale appends at a head that is past: both refuse it.
func (m *logs) appendStale(t *rapid.T) {
	if len(m.stale) == 0 {
		return // every head is the head
	}
	head := rapid.SampledFrom(m.stale).Draw(t, "head")
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(m.events+1000, 2))
	require.ErrorIs(t, m.want.Append(context.Background(), head, sealed), core.ErrConflict)
	require.ErrorIs(t, m.handle(t).Append(context.Background(), head, sealed), core.ErrConflict)
}

func (m *logs) read(t *rapid.T) {
	q := m.query(t)
	require.Equal(t, lines(t, m.want, q), lines(t, m.handle(t), q), "%+v", q)
}

func lines(t *rapid.T, log core.Log, q core.Query) (all []string) {
	for e, err := range log.Read(context.Background(), q) {
		require.NoError(t, err)
		all = append(all, e.Line())
	}
	return all
}

func (m *logs) query(t *rapid.T) core.Query {
	position := rapid.Custom(func(t *rapid.T) core.Position {
		return core.Position(rapid.IntRange(0, m.events+3).Draw(t, "position"))
	})
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 3).Draw(t, "bound") > 0 {
			return time.Time{}
		}
		return coretest.Start.Add(time.Duration(rapid.Int64Range(0, int64(m.at)+1).Draw(t, "moment")))
	})
	item := rapid.Custom(func(t *rapid.T) core.Item {
		some := func(what string, of ...string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID).Draw(t, what)
		}
		return core.Item{Types: some("types", "OrderPlaced", "OrderShipped", "Nothing"), Subjects: some("subjects", "order-1", "order-2", "order-9"),
			Tags: some("tags", "even", "odd one: ü", "none")}
	})
	return core.Query{From: position.Draw(t, "from"), To: position.Draw(t, "to"), Backward: rapid.Bool().Draw(t, "backward"),
		Limit: rapid.IntRange(0, 8).Draw(t, "limit"), Since: moment.Draw(t, "since"), Until: moment.Draw(t, "until"),
		Filter: rapid.SliceOfN(item, 0, 2).Draw(t, "filter")}
}

func (m *logs) find(t *rapid.T) {
	var ids []string
	for _, n := range rapid.SliceOfN(rapid.IntRange(0, m.events+5), 0, 6).Draw(t, "ids") {
		ids = append(ids, fmt.Sprint("id-", n))
	}
	want, err := m.want.Find(context.Background(), ids)
	require.NoError(t, err)
	got, err := m.handle(t).Find(context.Background(), ids)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func (m *logs) head(t *rapid.T) {
	want, _ := m.want.Head(context.Background())
	got, err := m.handle(t).Head(context.Background())
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func (m *logs) openAnew(t *rapid.T) {
	i := rapid.IntRange(0, len(m.handles)-1).Draw(t, "handle")
	closeLog(t, m.handles[i])
	m.handles[i] = m.open()
}

// isConflict tells the two outcomes of a document's write apart.
func isConflict(t *rapid.T, err error) bool {
	if err != nil && !errors.Is(err, core.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	return err != nil
}
