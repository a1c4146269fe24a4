package postgres_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/coretest"
)

func randomLetters(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

func TestEveryByteIsKept(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	log := open(t, config)
	var events []core.Event
	for i, data := range []string{
		`"\u0000"`, `"\ud83d\ude00 😀 \u00e9 é"`, `{"b":1,"a":2,"b2":{"z":1,"a":[ ]}}`, `{ "white" :  [ 1 , 2 ] }`,
		`12345678901234567890123456789.000100e-0400`, `-0`, `1E+5`, `null`, `true`, `""`, `{}`, `[]`,
		`"a\/b \\ \" \b\f\n\r\t"`, strings.Repeat("[", core.MaxDepth) + strings.Repeat("]", core.MaxDepth), `"` + strings.Repeat("\u007f\u2028", 100_000) + `"`,
	} {
		e := coretest.Sample(i * 5)
		e.Data, e.Metadata = data, fmt.Sprintf(`{"n":%d.0,"b":true,"a":"\u00e9"}`, i)
		events = append(events, e)
	}
	for i, at := range []time.Time{
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(1582, 10, 10, 1, 2, 3, 4000, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	} {
		e := coretest.Sample(1000 + i)
		e.Time = at
		e.Tags = []string{`{}`, `"`, `\`, `NULL`, `null`, ` `, "a b", `{"a"}`, `it's`, "é😀", `\"`}
		e.Subject, e.ID = `{NULL,"\"`, fmt.Sprintf("NULL%d", i)
		events = append(events, e)
	}
	sealed := coretest.Append(t, log, events...)
	read, err := readUntilError(t, open(t, config), core.Query{})
	require.NoError(t, err)
	require.Len(t, read, len(sealed))
	for i := range sealed {
		require.True(t, sealed[i].Line() == read[i].Line(), "event %d: %.200s is read as %.200s", i, sealed[i].Line(), read[i].Line())
		require.True(t, sealed[i].Time.Equal(read[i].Time))
		require.Equal(t, sealed[i].Tags, read[i].Tags)
		require.Equal(t, sealed[i].Data, read[i].Data)
	}
	require.Len(t, coretest.Lines(t, log, core.Query{Filter: core.Filter{{Tags: []string{`\`, "NULL"}, Subjects: []string{`{NULL,"\"`}}}}), 6)
}

func TestALongLogIsReadInPagesOfBoundedSize(t *testing.T) {
	t.Parallel()
	log := open(t, newConfig(t))
	head, want := core.Head{}, []string{}
	for i := range 12 { // pages are cut between rows of a megabyte and, many at once, of a few bytes
		events := coretest.Samples(i*1000, 300)
		for j := range events[:2] {
			big := strings.Repeat("x", 900_000)
			if i%2 == 0 {
				big = randomLetters(900_000) // which PostgreSQL can't compress
			}
			events[j].Data, events[j].DataBase64, events[j].Type = `"`+big+`"`, "", "Big"
		}
		sealed, next := core.Seal(head, coretest.Start, events)
		require.NoError(t, log.Append(t.Context(), head, sealed))
		for k := range sealed {
			want = append(want, sealed[k].Line())
		}
		head = next
	}
	got := coretest.Lines(t, log, core.Query{})
	require.Len(t, got, len(want))
	for i := range want {
		require.True(t, want[i] == got[i], "position %d", i+1)
	}
	backward := coretest.Lines(t, log, core.Query{Backward: true})
	require.Len(t, backward, len(want))
	require.True(t, backward[0] == want[len(want)-1] && backward[len(want)-1] == want[0])
	require.Len(t, coretest.Lines(t, log, core.Query{Filter: core.Filter{{Types: []string{"Big"}}}}), 24)
	require.Len(t, coretest.Lines(t, log, core.Query{Limit: 2500}), 2500)
}
