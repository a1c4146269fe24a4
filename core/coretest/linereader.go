package coretest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// TestLineReader holds a Log that is a core.LineReader against what that port promises. empty gives
// each test a log of its own, without events.
func TestLineReader(t *testing.T, empty func(t *testing.T) OpenLog) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, OpenLog)
	}{
		{"lines keep to positions, direction and limit", lineBounds},
		{"lines keep to their filter and times", lineFilters},
		{"lines of all lengths are whole", lineLengths},
		{"reading lines ends at the head when it was called", linesEnd},
		{"reading lines can be stopped and cancelled", linesStop},
	} {
		t.Run(tt.name, func(t *testing.T) { t.Parallel(); tt.test(t, empty(t)) })
	}
}

// TextOf reads a query's lines as pieces, and checks that each ends where a line does.
func TextOf(t *testing.T, log core.Log, q core.Query) string {
	t.Helper()
	var text strings.Builder
	for piece, err := range readLines(t.Context(), t, log, q) {
		require.NoError(t, err)
		require.True(t, len(piece) > 0 && piece[len(piece)-1] == '\n', "a piece ends in the middle of a line")
		text.Write(piece)
		clear(piece) // it may be written over
	}
	return text.String()
}

func readLines(ctx context.Context, t *testing.T, log core.Log, q core.Query) func(func([]byte, error) bool) {
	t.Helper()
	reader, ok := log.(core.LineReader)
	require.True(t, ok, "%T reads no lines", log)
	return reader.ReadLines(ctx, q)
}

// requireSameLines compares a query's pieces with its events.
func requireSameLines(t *testing.T, log core.Log, q core.Query) {
	t.Helper()
	want := strings.Join(append(Lines(t, log, q), ""), "\n")
	require.True(t, want == TextOf(t, log, q), "%+v", q) // without a difference, which may be large
}

func lineBounds(t *testing.T, open OpenLog) {
	log := open()
	require.Empty(t, TextOf(t, log, core.Query{}))
	Append(t, log, Samples(0, 7)...)
	Append(t, log, Samples(7, 4)...)
	other := open()
	for _, from := range []core.Position{0, 1, 4, 11, core.MaxPosition} {
		for _, to := range []core.Position{0, 1, 5, 11} {
			for _, limit := range []int{0, 1, 3, 10, 11} {
				requireSameLines(t, log, core.Query{From: from, To: to, Limit: limit})
				requireSameLines(t, other, core.Query{From: from, To: to, Limit: limit, Backward: true})
			}
		}
	}
}

func lineFilters(t *testing.T, open OpenLog) {
	log := open()
	Append(t, log, Samples(0, 60)...)
	since, until := Sample(10).Recorded, Sample(50).Recorded
	for _, q := range []core.Query{
		{Since: since}, {Until: until}, {Since: since, Until: until}, {Since: until.Add(1), Until: until.Add(2e9)}, {Since: until.Add(1e12)},
		{Since: since, Filter: core.Filter{{Tags: []string{"even"}}}},
		{Filter: core.Filter{{Types: []string{"OrderPlaced"}}}},
		{Filter: core.Filter{{Types: []string{"OrderPurged"}, Tags: []string{"even"}}, {Subjects: []string{"order-4"}}}},
		{Filter: core.Filter{{Tags: []string{"even", "odd one: ü"}}}},
		{Filter: core.Filter{{Types: []string{"Nothing"}}}},
		{Filter: core.Filter{{}}},
	} {
		for _, limit := range []int{0, 1, 4} {
			for _, backward := range []bool{false, true} {
				q.Limit, q.Backward = limit, backward
				requireSameLines(t, log, q)
			}
		}
	}
}

// lineLengths has lines that are shorter and much longer than what is read at once.
func lineLengths(t *testing.T, open OpenLog) {
	log, number := open(), 0
	for round := range 2 {
		var events []core.Event
		for _, length := range []int{0, 1, 100, 400_000, 5_000, 70_000, 10} {
			e := Sample(number)
			e.Data, e.DataBase64 = fmt.Sprintf(`"%d%s"`, round, strings.Repeat("x", length)), ""
			events, number = append(events, e), number+1
		}
		events = append(events, Samples(number, 500)...)
		number += 500
		for i := range events {
			events[i].More = i < len(events)-1
		}
		Append(t, log, events...)
	}
	for _, handle := range []core.Log{log, open()} {
		requireSameLines(t, handle, core.Query{})
		requireSameLines(t, handle, core.Query{From: 5, Limit: 510})
		requireSameLines(t, handle, core.Query{From: 600, Backward: true})
	}
}

func linesEnd(t *testing.T, open OpenLog) {
	log := open()
	Append(t, log, Samples(0, 5)...)
	lines := 0
	for piece, err := range readLines(t.Context(), t, log, core.Query{}) {
		require.NoError(t, err)
		lines += strings.Count(string(piece), "\n")
		Append(t, log, Sample(100+lines))
	}
	require.Equal(t, 5, lines)
}

func linesStop(t *testing.T, open OpenLog) {
	log := open()
	Append(t, log, Samples(0, 1500)...)
	for range readLines(t.Context(), t, log, core.Query{}) {
		break
	}
	require.Panics(t, func() {
		for range readLines(t.Context(), t, log, core.Query{}) {
			panic("the caller gives up")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range readLines(ctx, t, log, core.Query{}) {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	requireSameLines(t, log, core.Query{})
}
