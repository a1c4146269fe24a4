package segment_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

// Whatever is appended and asked, through whatever handle, with or without indexes, the
// answers are those of a log in memory.
func TestAnswersAreThoseOfALogInMemory(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			options := segment.Options{SegmentSize: 1 + random.Int64N(200_000), ReadSize: 1000 + random.IntN(100_000), Manual: random.IntN(2) == 0}
			m := &model{t: t, random: random, files: segmenttest.NewMemory(), options: options, want: new(memory.Log)}
			m.run(40)
		})
	}
}

type model struct {
	t       *testing.T
	random  *rand.Rand
	files   *segmenttest.Memory
	options segment.Options
	want    *memory.Log
	log     *segment.Log
	events  int
	at      time.Time
}

func (m *model) run(steps int) {
	m.at = coretest.Start
	m.log = open(m.t, m.files, m.options)
	for range steps {
		switch m.random.IntN(10) {
		case 0:
			require.NoError(m.t, m.log.Close())
			m.log = open(m.t, m.files, m.options)
		case 1:
			m.log = open(m.t, m.files, m.options) // the old handle stays, as another process
		case 2:
			require.NoError(m.t, m.log.Maintain(m.t.Context()))
		case 3, 4, 5, 6:
			m.append()
		default:
			m.ask()
		}
	}
	m.ask()
	require.NoError(m.t, m.log.Close())
}

// append appends some requests, of events of all sizes.
func (m *model) append() {
	for range 1 + m.random.IntN(20) {
		events := coretest.Samples(m.events, 1+m.random.IntN(30))
		for i := range events {
			m.at = m.at.Add(time.Duration(m.random.IntN(3)) * time.Second)
			events[i].Recorded = m.at
			if m.random.IntN(20) == 0 {
				events[i].Data, events[i].DataBase64 = fmt.Sprintf(`"%0*d"`, m.random.IntN(1<<uint(m.random.IntN(17))), i), ""
			}
		}
		m.events += len(events)
		sealed := coretest.Append(m.t, m.log, events...)
		head, err := m.want.Head(m.t.Context())
		require.NoError(m.t, err)
		require.NoError(m.t, m.want.Append(m.t.Context(), head, sealed))
	}
}

func (m *model) ask() {
	for range 12 {
		q := m.query()
		want := coretest.Lines(m.t, m.want, q)
		require.Equal(m.t, want, coretest.Lines(m.t, m.log, q), "%+v", q)
		require.Equal(m.t, strings.Join(append(want, ""), "\n"), coretest.TextOf(m.t, m.log, q), "%+v", q)
	}
	var ids []string
	for range 30 {
		ids = append(ids, fmt.Sprintf("id-%d", m.random.IntN(m.events+10)))
	}
	want, err := m.want.Find(m.t.Context(), ids)
	require.NoError(m.t, err)
	got, err := m.log.Find(m.t.Context(), ids)
	require.NoError(m.t, err)
	require.Equal(m.t, want, got)
	wantHead, _ := m.want.Head(m.t.Context())
	head, err := m.log.Head(m.t.Context())
	require.NoError(m.t, err)
	require.Equal(m.t, wantHead, head)
}

func (m *model) query() (q core.Query) {
	some := func(n int) bool { return m.random.IntN(n) == 0 }
	position := func() core.Position { return core.Position(m.random.IntN(m.events + 5)) }
	q.Backward = some(2)
	if some(2) {
		q.From = position()
	}
	if some(3) {
		q.To = position()
	}
	if some(2) {
		q.Limit = 1 + m.random.IntN(50)
	}
	moment := func() time.Time {
		return coretest.Start.Add(time.Duration(m.random.Int64N(int64(m.at.Sub(coretest.Start))+2)) - 1)
	}
	if some(5) {
		q.Since = moment()
	}
	if some(5) {
		q.Until = moment()
	}
	for range m.random.IntN(3) {
		q.Filter = append(q.Filter, m.item())
	}
	return q
}

func (m *model) item() (item core.Item) {
	for range m.random.IntN(2) {
		item.Types = append(item.Types, []string{"OrderPlaced", "OrderShipped", "Nothing"}[m.random.IntN(3)])
	}
	for range m.random.IntN(3) {
		item.Subjects = append(item.Subjects, fmt.Sprintf("order-%d", m.random.IntN(9)))
	}
	for range m.random.IntN(2) {
		item.Tags = append(item.Tags, []string{"even", "odd one: ü", "none"}[m.random.IntN(3)])
	}
	return item
}
