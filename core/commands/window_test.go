package commands

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/core"
)

// TestWindow compares a window with a list of all events.
func TestWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := core.Head{Position: core.Position(rapid.IntRange(0, 20).Draw(t, "start"))}
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		var w window
		w.reset(start, limit)
		all := map[core.Position]core.Event{}
		few := func(what string) string { return fmt.Sprint(what, rapid.IntRange(0, 3).Draw(t, what)) }
		for n := range rapid.IntRange(0, 40).Draw(t, "events") {
			e := core.Event{Position: start.Position + 1 + core.Position(n), ID: fmt.Sprint("id-", n), Type: few("type-"), Subject: few("subject-"), Tags: []string{few("tag-")}}
			w.learn(&e)
			w.learn(&e) // again is nothing
			all[e.Position] = e
		}
		require.Equal(t, start.Position+core.Position(len(all)), w.head.Position)
		remembered := min(limit, len(all))
		require.Equal(t, w.head.Position-core.Position(remembered)+1, w.first)
		require.Len(t, w.ids, remembered)
		require.LessOrEqual(t, len(w.latest), 2*remembered)
		require.True(t, w.covers(w.first-1))
		require.False(t, w.covers(w.first-2))
		item := core.Item{Types: []string{few("type-")}}
		if rapid.Bool().Draw(t, "subjects") {
			item.Subjects = []string{few("subject-"), few("subject-")}
		}
		if rapid.Bool().Draw(t, "tags") {
			item.Tags = []string{few("tag-")}
		}
		after := start.Position + core.Position(rapid.IntRange(0, 40).Draw(t, "after"))
		last := start.Position + core.Position(rapid.IntRange(0, 40).Draw(t, "last"))
		want := core.Position(0)
		for p := max(after+1, w.first); p <= min(last, w.head.Position); p++ {
			if e := all[p]; item.Match(&e) {
				want = p
			}
		}
		require.Equal(t, want, w.match([]core.Item{item, {Types: []string{"none"}}}, after, last))
	})
}

func TestWindowIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	var w window
	w.reset(core.Head{}, 1_000_000)
	long := make([]byte, 512)
	for i := range long {
		long[i] = 'x'
	}
	for p := range core.Position(20_000) {
		w.learn(&core.Event{Position: p + 1, ID: fmt.Sprint(p), Type: "T", Subject: string(long)})
	}
	require.LessOrEqual(t, w.bytes, maxWindowBytes+1024)
	require.Greater(t, w.first, core.Position(1))
	require.Len(t, w.ids, int(w.head.Position-w.first)+1)
}
