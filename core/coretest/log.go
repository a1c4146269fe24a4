// Package coretest holds one conformance suite per port, which every adapter passes
// unchanged, and wrappers that make a port fail before or after the effect of a call.
package coretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// OpenLog opens one log, the same at every call, as another process would: nothing but
// the storage is shared between two that it returned. (A log in memory can only be the
// same one.)
type OpenLog func() core.Log

// TestLog holds an adapter's Log against what the port promises. empty gives each test
// a log of its own, without events.
func TestLog(t *testing.T, empty func(t *testing.T) OpenLog) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, OpenLog)
	}{
		{"an empty log has nothing", emptyLog},
		{"what is appended is read back byte for byte", roundTrip},
		{"an append at another head conflicts and stores nothing", conflict},
		{"one of many racing appends wins", race},
		{"a second handle sees every append and is fenced off", secondHandle},
		{"appending again after a lost answer conflicts and tells", appendAgain},
		{"reads keep to their positions and direction", bounds},
		{"reads keep to their filter", filters},
		{"reads keep to their times", times},
		{"a read ends at the head when it was called", readEnds},
		{"a read can be stopped and cancelled", readStops},
		{"ids are found, all and only those", find},
		{"the largest request is one append", largest},
		{"many appends from several handles stay dense", dense},
	} {
		t.Run(tt.name, func(t *testing.T) { t.Parallel(); tt.test(t, empty(t)) })
	}
}

// Start is the recorded time of the suites' first events.
var Start = time.Date(2026, 11, 22, 20, 49, 0, 123456000, time.UTC)

// Sample is event number i of an endless sequence in which types, subjects, tags and all
// optional fields vary.
func Sample(i int) core.Event {
	e := core.Event{
		ID:              fmt.Sprintf("id-%d", i),
		Type:            []string{"OrderPlaced", "OrderShipped", "OrderPurged"}[i%3],
		Source:          "/test",
		Subject:         fmt.Sprintf("order-%d", i%7),
		Recorded:        Start.Add(time.Duration(i) * time.Second),
		DataContentType: core.DefaultContentType,
		Data:            fmt.Sprintf(`{"n":%d,"text":"a \"quoted\" é 😀 \u0000 \u001f","big":12345678901234567890.10e+5}`, i),
	}
	switch i % 5 {
	case 1:
		e.Subject, e.Tags = "", []string{"even", "odd one: ü"}
	case 2:
		e.Tags, e.Metadata = []string{"even"}, `{"traceparent":"00-1","n":1.50,"ok":true}`
	case 3:
		e.Data, e.DataBase64, e.DataContentType = "", "AAEC/w==", "application/octet-stream"
	case 4:
		e.Data, e.Time = "null", Start.Add(-time.Hour)
	}
	return e
}

// Samples are the samples from number `from` on, n of them, as one request.
func Samples(from, n int) []core.Event {
	events := make([]core.Event, n)
	for i := range events {
		events[i] = Sample(from + i)
		events[i].More = i < n-1
	}
	return events
}

// Append seals events behind the log's head, appends them and returns them as sealed.
func Append(t *testing.T, log core.Log, events ...core.Event) []core.Event {
	t.Helper()
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	sealed, _ := core.Seal(head, Start, events)
	require.NoError(t, log.Append(t.Context(), head, sealed))
	return sealed
}

// Lines reads what a query selects, as lines.
func Lines(t *testing.T, log core.Log, q core.Query) []string {
	t.Helper()
	lines := []string{}
	for e, err := range log.Read(t.Context(), q) {
		require.NoError(t, err)
		lines = append(lines, e.Line())
	}
	return lines
}

func linesOf(events []core.Event) []string {
	lines := []string{}
	for i := range events {
		lines = append(lines, events[i].Line())
	}
	return lines
}

func emptyLog(t *testing.T, open OpenLog) {
	log := open()
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, core.Head{}, head)
	require.Empty(t, Lines(t, log, core.Query{}))
	require.Empty(t, Lines(t, log, core.Query{Backward: true, From: 5}))
	found, err := log.Find(t.Context(), []string{"a"})
	require.NoError(t, err)
	require.Empty(t, found)
}

func roundTrip(t *testing.T, open OpenLog) {
	log := open()
	var want []core.Event
	for i, n := range []int{1, 4, 1, 20} {
		want = append(want, Append(t, log, Samples(100*i, n)...)...)
	}
	for _, handle := range []core.Log{log, open()} {
		require.Equal(t, linesOf(want), Lines(t, handle, core.Query{}))
		head, err := handle.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, want[len(want)-1].Head(), head)
		requireFields(t, want, handle)
	}
}

// requireFields compares the fields of what is read, not the line alone.
func requireFields(t *testing.T, want []core.Event, log core.Log) {
	t.Helper()
	i := 0
	for got, err := range log.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		parsed, err := core.ParseLine(want[i].Line())
		require.NoError(t, err)
		reread, err := core.ParseLine(got.Line())
		require.NoError(t, err)
		require.Equal(t, parsed, reread)
		require.Equal(t, parsed.ID+parsed.Type+parsed.Source+parsed.Subject+parsed.Data+parsed.DataBase64+parsed.Metadata,
			got.ID+got.Type+got.Source+got.Subject+got.Data+got.DataBase64+got.Metadata)
		require.Equal(t, parsed.Tags, got.Tags)
		require.True(t, parsed.Time.Equal(got.Time) && parsed.Recorded.Equal(got.Recorded) && parsed.More == got.More)
		i++
	}
	require.Equal(t, len(want), i)
}

func conflict(t *testing.T, open OpenLog) {
	log := open()
	first := Append(t, log, Samples(0, 3)...)
	head := first[2].Head()
	wrongHash := head
	wrongHash.Hash[0] ^= 1
	for name, after := range map[string]core.Head{
		"the empty head": {}, "an older head": first[1].Head(), "the right position with another hash": wrongHash,
		"a head that is not there yet": {Position: 4, Hash: head.Hash, Recorded: head.Recorded},
	} {
		sealed, _ := core.Seal(after, Start, Samples(50, 2))
		err := log.Append(t.Context(), after, sealed)
		require.ErrorIs(t, err, core.ErrConflict, name)
	}
	require.Equal(t, linesOf(first), Lines(t, log, core.Query{}))
	require.Equal(t, linesOf(first), Lines(t, open(), core.Query{}))
	Append(t, log, Sample(9))
}

func race(t *testing.T, open OpenLog) {
	logs := []core.Log{open(), open()}
	for round := range 20 {
		head, err := logs[0].Head(t.Context())
		require.NoError(t, err)
		errs := make([]error, 8)
		var racing sync.WaitGroup
		for i := range errs {
			racing.Go(func() {
				sealed, _ := core.Seal(head, Start, []core.Event{Sample(round*100 + i)})
				errs[i] = logs[i%2].Append(t.Context(), head, sealed)
			})
		}
		racing.Wait()
		require.Equal(t, 1, countWins(t, errs), "round %d: %v", round, errs)
	}
	require.Len(t, Lines(t, logs[1], core.Query{}), 20)
}

func countWins(t *testing.T, errs []error) (wins int) {
	t.Helper()
	for _, err := range errs {
		if err == nil {
			wins++
			continue
		}
		require.ErrorIs(t, err, core.ErrConflict)
	}
	return wins
}

func secondHandle(t *testing.T, open OpenLog) {
	a, b := open(), open()
	want := Append(t, a, Samples(0, 2)...)
	require.Equal(t, linesOf(want), Lines(t, b, core.Query{}))
	want = append(want, Append(t, b, Samples(2, 2)...)...)
	stale, _ := core.Seal(want[1].Head(), Start, []core.Event{Sample(9)})
	require.ErrorIs(t, a.Append(t.Context(), want[1].Head(), stale), core.ErrConflict)
	require.Equal(t, linesOf(want), Lines(t, a, core.Query{}))
	found, err := a.Find(t.Context(), []string{"id-3", "id-9"})
	require.NoError(t, err)
	require.Equal(t, map[string]core.Position{"id-3": 4}, found)
}

func appendAgain(t *testing.T, open OpenLog) {
	log := open()
	head := Append(t, log, Sample(0))[0].Head()
	sealed, end := core.Seal(head, Start, Samples(1, 3))
	flaky := &FlakyLog{Log: log, Script: Times(1, "Log.Append", FailAfter)}
	require.ErrorIs(t, flaky.Append(t.Context(), head, sealed), ErrInjected)
	require.ErrorIs(t, flaky.Append(t.Context(), head, sealed), core.ErrConflict)
	now, err := log.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, end, now)
}

func bounds(t *testing.T, open OpenLog) {
	log := open()
	all := linesOf(Append(t, log, Samples(0, 10)...))
	for _, tt := range []struct {
		q        core.Query
		from, to int // of all; to exclusive; from > to reads backward
	}{
		{core.Query{}, 0, 10},
		{core.Query{From: 1}, 0, 10},
		{core.Query{From: 4}, 3, 10},
		{core.Query{From: 10}, 9, 10},
		{core.Query{From: 11}, 0, 0},
		{core.Query{From: core.MaxPosition}, 0, 0},
		{core.Query{From: 3, To: 5}, 2, 5},
		{core.Query{From: 3, To: 3}, 2, 3},
		{core.Query{From: 5, To: 3}, 0, 0},
		{core.Query{To: core.MaxPosition, Limit: 4}, 0, 4},
		{core.Query{From: 9, Limit: 4}, 8, 10},
		{core.Query{Backward: true}, 10, 0},
		{core.Query{Backward: true, From: 4}, 4, 0},
		{core.Query{Backward: true, From: core.MaxPosition, Limit: 2}, 10, 8},
		{core.Query{Backward: true, From: 6, To: 4}, 6, 3},
		{core.Query{Backward: true, From: 4, To: 6}, 0, 0},
	} {
		want := []string{}
		if tt.from <= tt.to {
			want = append(want, all[tt.from:tt.to]...)
		} else {
			want = append(want, all[tt.to:tt.from]...)
			slices.Reverse(want)
		}
		require.Equal(t, want, Lines(t, log, tt.q), "%+v", tt.q)
	}
}

func filters(t *testing.T, open OpenLog) {
	log := open()
	all := Append(t, log, Samples(0, 60)...)
	for _, filter := range []core.Filter{
		{{Types: []string{"OrderPlaced"}}},
		{{Types: []string{"OrderPlaced", "OrderShipped"}, Subjects: []string{"order-1", "order-2"}}},
		{{Tags: []string{"even"}}},
		{{Tags: []string{"even", "odd one: ü"}}},
		{{Types: []string{"OrderPurged"}, Tags: []string{"even"}}, {Subjects: []string{"order-4"}}},
		{{Types: []string{"Nothing"}}},
		{{}},
	} {
		for _, backward := range []bool{false, true} {
			want := []string{}
			for i := range all {
				if filter.Match(&all[i]) {
					want = append(want, all[i].Line())
				}
			}
			if backward {
				slices.Reverse(want)
			}
			require.Equal(t, want, Lines(t, log, core.Query{Filter: filter, Backward: backward}), "%+v", filter)
			want = want[:min(3, len(want))]
			require.Equal(t, want, Lines(t, log, core.Query{Filter: filter, Backward: backward, Limit: 3}), "%+v", filter)
		}
	}
}

func times(t *testing.T, open OpenLog) {
	log := open()
	all := linesOf(Append(t, log, Samples(0, 20)...))
	at := func(i int) time.Time { return Start.Add(time.Duration(i) * time.Second) }
	require.Equal(t, all[5:], Lines(t, log, core.Query{Since: at(5)}))
	require.Equal(t, all[:5], Lines(t, log, core.Query{Until: at(5)}))
	require.Equal(t, all[3:7], Lines(t, log, core.Query{Since: at(3), Until: at(7)}))
	require.Equal(t, all[4:7], Lines(t, log, core.Query{Since: at(3).Add(time.Microsecond), Until: at(6).Add(time.Microsecond)}))
	require.Equal(t, all[8:10], Lines(t, log, core.Query{From: 9, Since: at(3), Until: at(10)}))
	backward := slices.Clone(all[3:7])
	slices.Reverse(backward)
	require.Equal(t, backward, Lines(t, log, core.Query{Since: at(3), Until: at(7), Backward: true}))
	require.Empty(t, Lines(t, log, core.Query{Since: at(20)}))
}

func readEnds(t *testing.T, open OpenLog) {
	log := open()
	Append(t, log, Samples(0, 5)...)
	n := 0
	for _, err := range log.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		Append(t, log, Sample(100+n))
		n++
	}
	require.Equal(t, 5, n)
}

func readStops(t *testing.T, open OpenLog) {
	log := open()
	Append(t, log, Samples(0, 50)...)
	for range log.Read(t.Context(), core.Query{}) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range log.Read(ctx, core.Query{}) {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	_, err := log.Head(ctx)
	require.True(t, err == nil || errors.Is(err, context.Canceled), "got %v", err)
	require.Len(t, Lines(t, log, core.Query{}), 50)
}

func find(t *testing.T, open OpenLog) {
	log := open()
	odd := []string{"x", `"quoted" \ back`, "%_'; drop table events --", "ünï 😀", strings.Repeat("é", core.MaxID), "X", "x "}
	events := []core.Event{}
	for i, id := range odd {
		e := Sample(i)
		e.ID, e.More = id, i < len(odd)-1
		events = append(events, e)
	}
	Append(t, log, events...)
	Append(t, log, Samples(100, 200)...)
	found, err := open().Find(t.Context(), append(slices.Clone(odd), "id-150", "absent", "x", strings.Repeat("é", core.MaxID-1)))
	require.NoError(t, err)
	want := map[string]core.Position{"id-150": core.Position(len(odd) + 51)}
	for i, id := range odd {
		want[id] = core.Position(i + 1)
	}
	require.Equal(t, want, found)
	found, err = log.Find(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, found)
}

func largest(t *testing.T, open OpenLog) {
	log := open()
	many := Samples(0, core.MaxRequestEvents)
	Append(t, log, many...)
	big := make([]core.Event, 16)
	for i := range big {
		big[i] = Sample(core.MaxRequestEvents + i)
		big[i].DataBase64, big[i].Data = "", `"`+strings.Repeat("x", core.MaxEventSize-1000)+`"`
		big[i].More = i < len(big)-1
	}
	sealed := Append(t, log, big...)
	require.Equal(t, linesOf(sealed), Lines(t, open(), core.Query{From: sealed[0].Position}))
	require.Len(t, Lines(t, open(), core.Query{}), len(many)+len(big))
}

func dense(t *testing.T, open OpenLog) {
	const handles, each = 4, 25
	var writers sync.WaitGroup
	for h := range handles {
		log := open()
		writers.Go(func() {
			for i := range each {
				for !tryAppend(t, log, Samples(h*1000+i*2, 2)) {
				}
			}
		})
	}
	writers.Wait()
	requireChain(t, open(), handles*each*2)
}

// tryAppend appends at the head it sees, and reports whether nobody was faster.
func tryAppend(t *testing.T, log core.Log, events []core.Event) bool {
	head, err := log.Head(t.Context())
	if err != nil {
		t.Error(err)
		return true
	}
	sealed, _ := core.Seal(head, Start, events)
	err = log.Append(t.Context(), head, sealed)
	if err != nil && !errors.Is(err, core.ErrConflict) {
		t.Error(err)
		return true
	}
	return err == nil
}

// requireChain reads the whole log: n events, dense, each once, chained.
func requireChain(t *testing.T, log core.Log, n int) {
	t.Helper()
	chain, seen := core.NewChain(core.Hash{}), map[string]bool{}
	for e, err := range log.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		require.Equal(t, core.Position(len(seen)+1), e.Position)
		require.False(t, seen[e.ID], "%s is there twice", e.ID)
		require.NoError(t, chain.NextEvent(&e))
		seen[e.ID] = true
	}
	require.Len(t, seen, n)
}
