package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/coretest"
)

// change runs a statement on a topic's tables, of which {t} is the events'.
func change(t *testing.T, config core.TopicConfig, sql string) {
	t.Helper()
	quote := func(ending string) string { return pgx.Identifier{config.Schema, "orders_events" + ending}.Sanitize() }
	execute(t, config.Connection, strings.NewReplacer("{t}", quote(""), "{head}", quote("_head"), "{tags}", quote("_tags")).Replace(sql))
}

func TestWhateverIsChangedInTheTablesIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sql string
		at  core.Position
	}{
		"data":                    {`update {t} set data = '{"n":7}' where position = 5`, 5},
		"white space in data":     {`update {t} set data = (' ' || data::text)::json where position = 5`, 5},
		"a type":                  {`update {t} set type = 'Other' where position = 5`, 5},
		"a subject taken away":    {`update {t} set subject = null where position = 5`, 5},
		"the order of tags":       {`update {t} set tags = array['even', 'and more'] where position = 3`, 3},
		"a null among tags":       {`update {t} set tags = array['even', null] where position = 3`, 3},
		"tags in two dimensions":  {`update {t} set tags = array[array['even'], array['odd']] where position = 3`, 3},
		"metadata":                {`update {t} set metadata = '{"n":1.5}' where position = 3`, 3},
		"a microsecond":           {`update {t} set time = time + interval '1 microsecond' where position = 5`, 5},
		"the end of time":         {`update {t} set time = 'infinity' where position = 5`, 5},
		"before all time":         {`update {t} set recorded = '-infinity' where position = 5`, 5},
		"who ended its request":   {`update {t} set more = not more where position = 5`, 5},
		"a hash":                  {`update {t} set hash = sha256('') where position = 5`, 5},
		"a cut hash":              {`update {t} set hash = '\x00' where position = 5`, 5},
		"a row taken away":        {`delete from {t} where position = 5`, 5},
		"the last row taken away": {`delete from {t} where position = 20`, 20},
		"rows that swap":          {`update {t} set data = (select data from {t} where position = 11 - 5) where position = 5`, 5},
		"the head's hash":         {`update {head} set hash = sha256('')`, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newConfig(t)
			log := open(t, config)
			coretest.Append(t, log, coretest.Samples(0, 20)...)
			change(t, config, tt.sql)
			for _, q := range []core.Query{{}, {From: tt.at}, {Backward: true}, {Backward: true, From: tt.at}, {From: tt.at, Limit: 1}} {
				events, err := readUntilError(t, log, q)
				var corrupt *core.CorruptError
				require.ErrorAs(t, err, &corrupt, "%+v", q)
				require.ErrorIs(t, err, core.ErrCorrupt)
				at := tt.at
				if q.Backward && q.From == 0 && strings.HasSuffix(name, " hash") && name != "the head's hash" {
					at++ // the next event does not follow it, which is seen first
				}
				require.Equal(t, at, corrupt.Position, "%+v: %v", q, err)
				require.Contains(t, corrupt.Place, "orders_events")
				for _, e := range events {
					require.NotEqual(t, tt.at, e.Position, "it is never served")
				}
			}
		})
	}
}

func readUntilError(t *testing.T, log core.Log, q core.Query) (events []core.Event, err error) {
	for e, err := range log.Read(t.Context(), q) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func TestFilteredReadsCheckWhatTheyServe(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	log := open(t, config)
	coretest.Append(t, log, coretest.Samples(0, 20)...)
	change(t, config, `update {t} set data = '7' where position = 3`)
	for _, filter := range []core.Filter{{{Subjects: []string{"order-2"}}}, {{Tags: []string{"even"}}}, {{Types: []string{"OrderPurged"}}}} {
		_, err := readUntilError(t, log, core.Query{Filter: filter})
		require.ErrorIs(t, err, core.ErrCorrupt, "%v", filter)
	}
	events, err := readUntilError(t, log, core.Query{Filter: core.Filter{{Types: []string{"OrderPlaced"}}}})
	require.NoError(t, err, "none of those was changed")
	require.NotEmpty(t, events)
}

func TestAHeadThatIsGoneOrBehindIsCorruption(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	log := open(t, config)
	events := coretest.Append(t, log, coretest.Samples(0, 3)...)
	change(t, config, `update {head} set position = 2, hash = (select hash from {t} where position = 2)`)
	sealed, _ := core.Seal(events[1].Head(), coretest.Start, []core.Event{coretest.Sample(7)})
	require.ErrorIs(t, log.Append(t.Context(), events[1].Head(), sealed), core.ErrCorrupt, "a row is there already")
	change(t, config, `delete from {head}`)
	_, err := log.Head(t.Context())
	require.ErrorIs(t, err, core.ErrCorrupt)
	_, err = readUntilError(t, log, core.Query{})
	require.ErrorIs(t, err, core.ErrCorrupt)
}

func TestAMissingRowIsFoundByReadsByTime(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	log := open(t, config)
	coretest.Append(t, log, coretest.Samples(0, 3)...)
	change(t, config, `delete from {t} where position = 2`)
	_, err := readUntilError(t, log, core.Query{Since: coretest.Start.Add(time.Second)})
	require.ErrorIs(t, err, core.ErrCorrupt)
}

func TestAnIdThatIsThereIsRejected(t *testing.T) {
	t.Parallel()
	log := open(t, newConfig(t))
	head := coretest.Append(t, log, coretest.Samples(0, 3)...)[2].Head()
	sealed, _ := core.Seal(head, coretest.Start, []core.Event{coretest.Sample(50), coretest.Sample(1)})
	require.ErrorIs(t, log.Append(t.Context(), head, sealed), core.ErrRejected)
	now, err := log.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, now, "nothing of it is stored")
}

func TestWhatPostgreSQLCanNeverStoreIsRejected(t *testing.T) {
	t.Parallel()
	log := open(t, newConfig(t))
	for name, spoil := range map[string]func(*core.Event){
		"a NUL":                  func(e *core.Event) { e.Subject = "a\x00b" },
		"a NUL in a tag":         func(e *core.Event) { e.Tags = []string{"a\x00b"} },
		"what is not UTF-8":      func(e *core.Event) { e.Type = "\xff" },
		"what is not JSON":       func(e *core.Event) { e.Data = "{" },
		"an id beyond any index": func(e *core.Event) { e.ID = randomLetters(10_000) },
	} {
		spoiled := coretest.Sample(0)
		spoil(&spoiled)
		sealed, _ := core.Seal(core.Head{}, coretest.Start, []core.Event{coretest.Sample(5), spoiled})
		err := log.Append(t.Context(), core.Head{}, sealed)
		require.ErrorIs(t, err, core.ErrRejected, name)
		require.False(t, errors.Is(err, core.ErrUnknown), name)
	}
	found, err := log.Find(t.Context(), []string{"a\x00b", "\xff", ""})
	require.NoError(t, err)
	require.Empty(t, found)
	odd := core.Filter{{Types: []string{"\x00"}}, {Tags: []string{"\xff", "even"}}, {Subjects: []string{"\x00", "order-5"}}}
	coretest.Append(t, log, coretest.Samples(0, 10)...)
	require.Len(t, coretest.Lines(t, log, core.Query{Filter: odd}), 1)
}
