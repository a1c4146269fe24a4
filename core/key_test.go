package core_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

func TestEscapedKeys(t *testing.T) {
	for key, want := range map[string]string{
		"order-1_x":              "order-1_x",
		"Order/1":                "%4Frder%2F1",
		"..":                     "%2E%2E",
		"é":                      "%C3%A9",
		"\x00":                   "%00",
		strings.Repeat("x", 200): strings.Repeat("x", 200),
	} {
		require.Equal(t, want, core.EscapeKey(key))
	}
	long := core.EscapeKey(strings.Repeat("/", 300))
	require.Len(t, long, 159+1+39)
	require.NotContains(t, long[156:160], "%2~", "no escape is cut in two")
}

func FuzzEscapeKey(f *testing.F) {
	f.Add("a", "A")
	f.Add(strings.Repeat("é", 40), strings.Repeat("é", 41))
	f.Add(strings.Repeat("x", 201), strings.Repeat("x", 202))
	f.Add("a%2F", "a/")
	f.Fuzz(func(t *testing.T, a, b string) {
		escaped := core.EscapeKey(a)
		require.LessOrEqual(t, len(escaped), 200)
		require.Equal(t, -1, strings.IndexFunc(escaped, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789ABCDEF-_%~", r)
		}))
		require.Equal(t, a == b, strings.EqualFold(escaped, core.EscapeKey(b)), "injective, whatever the case")
		require.True(t, strings.HasPrefix(core.EscapeKey(a+b), core.EscapedPrefix(a)))
	})
}

func TestFilters(t *testing.T) {
	event := core.Event{Type: "T", Subject: "s", Tags: []string{"a", "b"}}
	for _, tt := range []struct {
		filter core.Filter
		want   bool
	}{
		{nil, true},
		{core.Filter{{}}, true},
		{core.Filter{{Types: []string{"U", "T"}}}, true},
		{core.Filter{{Types: []string{"U"}}}, false},
		{core.Filter{{Subjects: []string{"s"}, Types: []string{"U"}}}, false},
		{core.Filter{{Tags: []string{"b", "a"}}}, true},
		{core.Filter{{Tags: []string{"a", "c"}}}, false},
		{core.Filter{{Types: []string{"U"}}, {Subjects: []string{"s"}}}, true},
	} {
		require.Equal(t, tt.want, tt.filter.Match(&event), "%+v", tt.filter)
	}
}
