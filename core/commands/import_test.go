package commands_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
	"eventstore/core/topics"
)

func numbered(from, n int) []core.Event {
	list := make([]core.Event, n)
	for i := range list {
		list[i] = core.Event{ID: fmt.Sprint("n-", from+i), Type: "T", Data: fmt.Sprint(from + i)}
	}
	return list
}

// source yields events, and then an error where there is one.
func source(events []core.Event, last error) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
		if last != nil {
			yield(core.Event{}, last)
		}
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := newShared()
	i := s.instance(t, commands.Config{})
	i.publish(t, numbered(0, 3)...)
	imported, err := i.Import(t.Context(), "orders", source(numbered(0, 12_000), nil))
	require.NoError(t, err)
	require.Equal(t, commands.Imported{Topic: "orders", First: 1, Last: 12_000, Head: 12_000, Stored: 11_997, Duplicates: 3}, imported)
	all := s.stored(t)
	require.Len(t, all, 12_000)
	for n, e := range all {
		require.Equal(t, fmt.Sprint("n-", n), e.ID)
		require.Equal(t, n < 2, e.More, "an import's events are not one request")
	}
	imported, err = i.Import(t.Context(), "orders", source(numbered(0, 12_000), nil))
	require.NoError(t, err)
	require.Equal(t, commands.Imported{Topic: "orders", First: 1, Last: 12_000, Head: 12_000, Duplicates: 12_000}, imported)
	imported, err = i.Import(t.Context(), "orders", source(nil, nil))
	require.NoError(t, err)
	require.Equal(t, commands.Imported{Topic: "orders", Head: 12_000}, imported)
	_, err = i.Import(t.Context(), "nothing", source(numbered(0, 1), nil))
	require.ErrorIs(t, err, topics.ErrTopicNotFound)
}

func TestImportEndsWhereItFails(t *testing.T) {
	t.Parallel()
	cut := errors.New("the body ends in the middle")
	with := func(i int, e core.Event) []core.Event {
		list := numbered(100, 5000)
		list[i] = e
		return list
	}
	for name, tt := range map[string]struct {
		events []core.Event
		source error
		index  int
		check  func(t *testing.T, err error)
	}{
		"a bad event": {with(3210, core.Event{}), nil, 3210, func(t *testing.T, err error) {
			var invalid *core.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "type", invalid.Place)
		}},
		"a bad first event": {with(0, core.Event{}), nil, 0, func(*testing.T, error) {}},
		"an id of another event": {with(1234, core.Event{ID: "n-1", Type: "T"}), nil, 1234, func(t *testing.T, err error) {
			var conflict *commands.IDConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, commands.IDConflictError{ID: "n-1", Position: 2, Index: 1234}, *conflict)
		}},
		"an id twice": {with(4321, core.Event{ID: "n-4400", Type: "T"}), nil, 4321, func(t *testing.T, err error) {
			var conflict *commands.IDConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, commands.IDConflictError{ID: "n-4400", Position: 4304, Index: 4321}, *conflict, "the first is stored, in the same batch or before")
		}},
		"the source fails": {numbered(100, 2500), cut, 2500, func(t *testing.T, err error) { require.ErrorIs(t, err, cut) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared()
			i := s.instance(t, commands.Config{})
			i.publish(t, numbered(0, 3)...)
			imported, err := i.Import(t.Context(), "orders", source(tt.events, tt.source))
			var failed *commands.ImportError
			require.ErrorAs(t, err, &failed)
			tt.check(t, err)
			require.Equal(t, imported, failed.Imported)
			require.Equal(t, tt.index, failed.Index)
			require.Equal(t, failed.Index, imported.Stored)
			require.Len(t, s.stored(t), 3+imported.Stored, "the events before it are stored, and no other")
		})
	}
}

// TestImportAppendsAsEventsArrive has a source that is slower than the log, and one that is quicker.
func TestImportAppendsAsEventsArrive(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		every time.Duration
		want  []int
	}{
		"slower":  {2 * time.Second, slices.Repeat([]int{1}, 10)},
		"quicker": {300 * time.Millisecond, []int{1, 3, 3, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, time.Second, commands.Config{}, func(t *testing.T, s *shared, log *slow, i *instance) {
				imported, err := i.Import(t.Context(), "orders", func(yield func(core.Event, error) bool) {
					for _, e := range numbered(0, 10) {
						time.Sleep(tt.every)
						if !yield(e, nil) {
							return
						}
					}
				})
				require.NoError(t, err)
				require.Equal(t, 10, imported.Stored)
				require.Equal(t, tt.want, log.events)
				require.Len(t, s.stored(t), 10)
			})
		})
	}
}

func TestImportTellsWhatItStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		i := s.instance(t, commands.Config{})
		appends := 0
		i.log.Script = func(call string) coretest.Fault {
			if call == "Log.Append" {
				appends++
			}
			if appends > 2 && (call == "Log.Append" || call == "Log.Head") {
				return coretest.FailBefore
			}
			return coretest.Pass
		}
		imported, err := i.Import(t.Context(), "orders", source(numbered(0, 5_000), nil))
		var failed *commands.ImportError
		require.ErrorAs(t, err, &failed)
		var outcome *commands.OutcomeError
		require.ErrorAs(t, err, &outcome)
		require.True(t, outcome.Unknown)
		require.Equal(t, imported.Stored, failed.Index)
		require.Len(t, s.stored(t), imported.Stored)
		require.Less(t, imported.Stored, 5_000)
		i.log.Script = nil
		imported, err = i.Import(t.Context(), "orders", source(numbered(0, 5_000), nil))
		require.NoError(t, err)
		require.Equal(t, 5_000, imported.Stored+imported.Duplicates)
		require.Len(t, s.stored(t), 5_000)
	})
}
