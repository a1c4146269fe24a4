package queries_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/queries"
	"eventstore/core/topics"
)

// adapter opens one log for every topic.
type adapter struct{ log core.Log }

func (a adapter) Complete(config core.TopicConfig) (core.TopicConfig, error) { return config, nil }
func (a adapter) Open(context.Context, core.TopicConfig, string) (core.Log, string, error) {
	return a.log, "log-1", nil
}

// fixture is a reader of the topic "orders", whose log is at hand.
type fixture struct {
	*queries.Reader
	registry *topics.Registry
	log      core.Log
}

func newFixture(t *testing.T, log core.Log, config queries.Config) *fixture {
	registry := topics.New(topics.Config{Documents: new(memory.Documents), Default: "shared",
		Adapters: map[string]topics.Adapter{"shared": adapter{log}}})
	_, _, err := registry.Create(t.Context(), core.TopicConfig{Name: "orders"})
	require.NoError(t, err)
	reader := queries.New(registry, config)
	t.Cleanup(reader.Close)
	return &fixture{reader, registry, log}
}

// twenty is a fixture with the twenty first samples.
func twenty(t *testing.T) *fixture {
	f := newFixture(t, new(memory.Log), queries.Config{})
	coretest.Append(t, f.log, coretest.Samples(0, 20)...)
	return f
}

func positions(events []core.Event) []core.Position {
	list := []core.Position{}
	for _, e := range events {
		list = append(list, e.Position)
	}
	return list
}

func span(from, to core.Position) []core.Position {
	list := []core.Position{}
	for p := from; p <= to; p++ {
		list = append(list, p)
	}
	return list
}

func down(from, to core.Position) []core.Position {
	list := []core.Position{}
	for p := from; p >= to; p-- {
		list = append(list, p)
	}
	return list
}

func TestPage(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	placed := core.Filter{{Types: []string{"OrderPlaced"}}} // 1, 4, 7, … 19
	at := func(i int) time.Time { return coretest.Start.Add(time.Duration(i) * time.Second) }
	for name, tt := range map[string]struct {
		q    core.Query
		want []core.Position
		next core.Position
		more bool
	}{
		"all":                                       {core.Query{}, span(1, 20), 21, false},
		"a first page":                              {core.Query{Limit: 7}, span(1, 7), 8, true},
		"a page in the middle":                      {core.Query{From: 8, Limit: 7}, span(8, 14), 15, true},
		"a last page that is full":                  {core.Query{From: 14, Limit: 7}, span(14, 20), 21, false},
		"a last page that is not":                   {core.Query{From: 15, Limit: 7}, span(15, 20), 21, false},
		"behind the head":                           {core.Query{From: 21}, span(1, 0), 21, false},
		"far behind the head, next is not below":    {core.Query{From: 1000, Limit: 3}, span(1, 0), 1000, false},
		"a filtered page ends at its limit":         {core.Query{Filter: placed, Limit: 2}, []core.Position{1, 4}, 5, true},
		"a filtered page looks up to the head":      {core.Query{Filter: placed, From: 15, Limit: 5}, []core.Position{16, 19}, 21, false},
		"nothing matches, all was looked at":        {core.Query{Filter: core.Filter{{Types: []string{"No"}}}, Limit: 5}, span(1, 0), 21, false},
		"several items":                             {core.Query{Filter: core.Filter{{Subjects: []string{"order-0"}}, {Tags: []string{"odd one: ü"}}}, Limit: 3}, []core.Position{1, 2, 7}, 8, true},
		"since and until":                           {core.Query{Since: at(3), Until: at(6)}, span(4, 6), 21, false},
		"to bounds it":                              {core.Query{From: 3, To: 6}, span(3, 6), 7, false},
		"to and a limit":                            {core.Query{From: 3, To: 6, Limit: 2}, span(3, 4), 5, true},
		"backward":                                  {core.Query{Backward: true}, down(20, 1), 0, false},
		"backward by pages":                         {core.Query{Backward: true, Limit: 7}, down(20, 14), 13, true},
		"backward, the last page is full":           {core.Query{Backward: true, From: 7, Limit: 7}, down(7, 1), 0, false},
		"backward from beyond the head":             {core.Query{Backward: true, From: 99, Limit: 2}, down(20, 19), 18, true},
		"backward and filtered, not full":           {core.Query{Backward: true, Filter: placed, From: 6, Limit: 3}, []core.Position{4, 1}, 0, false},
		"backward and filtered, full at position 1": {core.Query{Backward: true, Filter: placed, From: 6, Limit: 2}, []core.Position{4, 1}, 0, false},
		"backward and filtered, full":               {core.Query{Backward: true, Filter: placed, Limit: 2}, []core.Position{19, 16}, 15, true},
		"backward, since reached":                   {core.Query{Backward: true, Since: at(17), Limit: 10}, down(20, 18), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := f.Page(t.Context(), "orders", queries.PageQuery{Query: tt.q})
			require.NoError(t, err)
			require.Equal(t, tt.want, positions(page.Events))
			require.Equal(t, tt.next, page.Next)
			require.Equal(t, tt.more, page.More)
			require.Equal(t, core.Position(20), page.Head)
		})
	}
}

func TestPageOfAnEmptyTopic(t *testing.T) {
	t.Parallel()
	f := newFixture(t, new(memory.Log), queries.Config{})
	for _, q := range []core.Query{{}, {Limit: 5}} {
		page, err := f.Page(t.Context(), "orders", queries.PageQuery{Query: q})
		require.NoError(t, err)
		require.Equal(t, queries.Page{Events: []core.Event{}, Next: 1}, page)
	}
	page, err := f.Page(t.Context(), "orders", queries.PageQuery{Query: core.Query{Backward: true}})
	require.NoError(t, err)
	require.Equal(t, queries.Page{Events: []core.Event{}}, page)
}

func TestPagesMeetWithoutGap(t *testing.T) {
	t.Parallel()
	f := newFixture(t, new(memory.Log), queries.Config{PageBytes: 1500})
	coretest.Append(t, f.log, coretest.Samples(0, 100)...)
	for _, backward := range []bool{false, true} {
		var all []core.Position
		q := core.Query{Backward: backward, Limit: 7}
		for pages := 0; ; pages++ {
			page, err := f.Page(t.Context(), "orders", queries.PageQuery{Query: q})
			require.NoError(t, err)
			require.NotEmpty(t, page.Events)
			all = append(all, positions(page.Events)...)
			if !page.More {
				require.Greater(t, pages, 100/7, "a page ends at its bytes too")
				break
			}
			q.From = page.Next
		}
		if backward {
			require.Equal(t, down(100, 1), all)
		} else {
			require.Equal(t, span(1, 100), all)
		}
	}
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	for name, tt := range map[string]struct {
		q     queries.PageQuery
		place string
	}{
		"a negative from":  {queries.PageQuery{Query: core.Query{From: -1}}, "from"},
		"a negative to":    {queries.PageQuery{Query: core.Query{To: -1}}, "to"},
		"a negative limit": {queries.PageQuery{Query: core.Query{Limit: -1}}, "limit"},
		"a negative wait":  {queries.PageQuery{Wait: -1}, "wait"},
		"a long wait":      {queries.PageQuery{Wait: time.Minute + 1}, "wait"},
	} {
		_, err := f.Page(t.Context(), "orders", tt.q)
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, tt.place, invalid.Place)
		_, _, err = f.Stream(t.Context(), "orders", tt.q)
		require.ErrorAs(t, err, &invalid, name)
	}
	_, err := f.Page(t.Context(), "nothing", queries.PageQuery{})
	require.ErrorIs(t, err, topics.ErrTopicNotFound)
	_, _, err = f.Follow(t.Context(), "orders", core.Query{Backward: true})
	require.ErrorContains(t, err, "direction")
}

func TestOneEvent(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	e, err := f.Event(t.Context(), "orders", 7)
	require.NoError(t, err)
	require.Equal(t, "id-6", e.ID)
	for _, p := range []core.Position{0, -1, 21, core.MaxPosition} {
		_, err = f.Event(t.Context(), "orders", p)
		require.ErrorIs(t, err, queries.ErrEventNotFound)
	}
	head, err := f.Head(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, core.Position(20), head.Position)
}

func TestSummary(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	summary, err := f.Summary(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, queries.Summary{Head: 20, Events: 20, FirstRecorded: coretest.Start, LastRecorded: coretest.Start.Add(19 * time.Second)}, summary)
	summary, err = newFixture(t, new(memory.Log), queries.Config{}).Summary(t.Context(), "orders")
	require.NoError(t, err)
	require.Zero(t, summary)
}

// other is the same log, as another process holds it: appends to it wake nobody here.
func (f *fixture) other(t *testing.T, i int) { coretest.Append(t, f.log, coretest.Sample(i)) }

func TestWaiting(t *testing.T) {
	t.Parallel()
	placed := core.Filter{{Types: []string{"OrderPlaced"}}} // every third sample
	for name, tt := range map[string]struct {
		q       core.Query
		appends []int // samples, one every 700 ms, by another process
		want    []core.Position
		next    core.Position
		most    time.Duration
	}{
		"an event comes":                    {core.Query{From: 3}, []int{10}, []core.Position{3}, 4, 1500 * time.Millisecond},
		"one that does not match is passed": {core.Query{From: 3, Filter: placed}, []int{10, 12}, []core.Position{4}, 5, 2500 * time.Millisecond},
		"none comes":                        {core.Query{From: 3}, nil, span(1, 0), 3, 10 * time.Second},
		"none that matches comes":           {core.Query{From: 3, Filter: placed}, []int{10, 11}, span(1, 0), 5, 10 * time.Second},
		"there is one already":              {core.Query{From: 2}, nil, []core.Position{2}, 3, 0},
		"from beyond the head":              {core.Query{From: 4}, []int{10, 11}, []core.Position{4}, 5, 2500 * time.Millisecond},
		"none can come any more":            {core.Query{From: 3, Until: coretest.Start}, nil, span(1, 0), 3, 0},
		"backward, a new one":               {core.Query{Backward: true, Filter: placed, Since: coretest.Start.Add(time.Hour)}, nil, span(1, 0), 0, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, new(memory.Log), queries.Config{})
				coretest.Append(t, f.log, coretest.Samples(0, 2)...)
				go func() {
					for _, i := range tt.appends {
						time.Sleep(700 * time.Millisecond)
						f.other(t, i)
					}
				}()
				start := time.Now()
				page, err := f.Page(t.Context(), "orders", queries.PageQuery{Query: tt.q, Wait: 10 * time.Second})
				require.NoError(t, err)
				require.Equal(t, tt.want, positions(page.Events))
				require.Equal(t, tt.next, page.Next)
				require.LessOrEqual(t, time.Since(start), tt.most)
				if len(tt.want) == 0 && tt.most > 0 {
					require.Equal(t, tt.most, time.Since(start))
				}
			})
		})
	}
}

func TestWaitingWakesAtOnceInThisProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(memory.Log), queries.Config{PollMin: time.Hour, PollMax: time.Hour})
		go func() {
			time.Sleep(3 * time.Second)
			f.other(t, 0)
			topic, err := f.registry.Open(t.Context(), "orders")
			if err == nil {
				topic.Advance(1)
			}
		}()
		start := time.Now()
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				page, err := f.Page(t.Context(), "orders", queries.PageQuery{Wait: time.Minute})
				if err != nil || len(page.Events) != 1 {
					t.Errorf("got %v, %v", page, err)
				}
			})
		}
		waiting.Wait()
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestManyWhoWaitAskTheLogOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &coretest.FlakyLog{Log: new(memory.Log)}
		var heads atomic.Int64
		log.Script = func(call string) coretest.Fault {
			if call == "Log.Head" {
				heads.Add(1)
			}
			return coretest.Pass
		}
		f := newFixture(t, log, queries.Config{})
		var waiting sync.WaitGroup
		for range 100 {
			waiting.Go(func() {
				_, err := f.Page(t.Context(), "orders", queries.PageQuery{Wait: 30 * time.Second})
				if err != nil {
					t.Error(err)
				}
			})
		}
		waiting.Wait()
		require.Less(t, heads.Load(), int64(100+40), "one asks for all who wait")
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(memory.Log), queries.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := f.Page(ctx, "orders", queries.PageQuery{Wait: time.Minute})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func collect(t *testing.T, events iter.Seq2[core.Event, error]) []core.Position {
	t.Helper()
	list := []core.Position{}
	for e, err := range events {
		require.NoError(t, err)
		list = append(list, e.Position)
	}
	return list
}

func TestStream(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	head, events, err := f.Stream(t.Context(), "orders", queries.PageQuery{Query: core.Query{From: 5}})
	require.NoError(t, err)
	require.Equal(t, core.Position(20), head)
	f.other(t, 50)
	require.Equal(t, span(5, 20), collect(t, events), "it ends at the head there was")
	_, events, err = f.Stream(t.Context(), "orders", queries.PageQuery{Query: core.Query{Backward: true, Limit: 3}})
	require.NoError(t, err)
	require.Equal(t, down(21, 19), collect(t, events))
	_, events, err = f.Stream(t.Context(), "orders", queries.PageQuery{Query: core.Query{From: 90}})
	require.NoError(t, err)
	require.Empty(t, collect(t, events))
}

func TestStreamWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(memory.Log), queries.Config{})
		go func() {
			time.Sleep(2 * time.Second)
			f.other(t, 0)
		}()
		head, events, err := f.Stream(t.Context(), "orders", queries.PageQuery{Wait: 20 * time.Second})
		require.NoError(t, err)
		require.Equal(t, core.Position(1), head)
		require.Equal(t, span(1, 1), collect(t, events))
		start := time.Now()
		_, events, err = f.Stream(t.Context(), "orders", queries.PageQuery{Query: core.Query{From: 2}, Wait: 20 * time.Second})
		require.NoError(t, err)
		require.Empty(t, collect(t, events))
		require.Equal(t, 20*time.Second, time.Since(start))
	})
}

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, new(memory.Log), queries.Config{})
		coretest.Append(t, f.log, coretest.Samples(0, 5)...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for i := range 200 {
				time.Sleep(time.Duration(i%7) * 30 * time.Millisecond)
				f.other(t, 100+i)
			}
			time.Sleep(20 * time.Second)
			cancel()
		}()
		head, events, err := f.Follow(ctx, "orders", core.Query{From: 3})
		require.NoError(t, err)
		require.Equal(t, core.Position(5), head)
		require.Equal(t, span(3, 205), collect(t, events))
	})
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		q    core.Query
		want []core.Position
	}{
		"at its limit":          {core.Query{Limit: 7}, span(1, 7)},
		"at its last position":  {core.Query{From: 2, To: 6}, span(2, 6)},
		"at its time":           {core.Query{Until: coretest.Start.Add(4 * time.Second)}, span(1, 4)},
		"with those that match": {core.Query{Filter: core.Filter{{Types: []string{"OrderPlaced"}}}, To: 8}, []core.Position{1, 4, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, new(memory.Log), queries.Config{})
				coretest.Append(t, f.log, coretest.Samples(0, 3)...)
				go func() {
					for i := range 10 {
						time.Sleep(time.Second)
						f.other(t, 3+i)
					}
				}()
				_, events, err := f.Follow(t.Context(), "orders", tt.q)
				require.NoError(t, err)
				require.Equal(t, tt.want, collect(t, events))
				time.Sleep(20 * time.Second)
			})
		})
	}
}

func lastError(events iter.Seq2[core.Event, error]) (n int, last error) {
	for _, err := range events {
		n++
		last = err
	}
	return n, last
}

func TestFollowEndsWhenItsTopicIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := twenty(t)
		_, events, err := f.Follow(t.Context(), "orders", core.Query{})
		require.NoError(t, err)
		go func() {
			time.Sleep(time.Second)
			if err := f.registry.Delete(t.Context(), "orders"); err != nil {
				t.Error(err)
			}
		}()
		n, err := lastError(events)
		require.ErrorIs(t, err, topics.ErrTopicNotFound)
		require.Equal(t, 21, n)
		synctest.Wait()
		require.NoError(t, f.registry.Close())
		time.Sleep(10 * time.Minute)
	})
}

// swap is a log whose content is replaced by another, as by restoring an old backup.
type swap struct {
	mu sync.Mutex
	core.Log
}

func (s *swap) Head(ctx context.Context) (core.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Log.Head(ctx)
}

func TestFollowEndsWhenEventsAreGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &swap{Log: new(memory.Log)}
		f := newFixture(t, log, queries.Config{})
		coretest.Append(t, f.log, coretest.Samples(0, 20)...)
		_, events, err := f.Follow(t.Context(), "orders", core.Query{})
		require.NoError(t, err)
		go func() {
			time.Sleep(time.Second)
			log.mu.Lock()
			defer log.mu.Unlock()
			log.Log = new(memory.Log)
		}()
		_, err = lastError(events)
		require.ErrorIs(t, err, core.ErrForeign)
	})
}

func TestReadErrorsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &coretest.FlakyLog{Log: new(memory.Log)}
		f := newFixture(t, log, queries.Config{})
		coretest.Append(t, f.log, coretest.Samples(0, 5)...)
		for _, call := range []string{"Log.Head", "Log.Read"} {
			for _, fault := range []coretest.Fault{coretest.FailBefore, coretest.FailAfter} {
				log.Script = coretest.Times(1, call, fault)
				_, err := f.Page(t.Context(), "orders", queries.PageQuery{})
				require.ErrorIs(t, err, coretest.ErrInjected)
				require.ErrorContains(t, err, "orders")
				log.Script = coretest.Times(1, call, fault)
				_, err = f.Verify(t.Context(), "orders", 0, 0)
				require.ErrorIs(t, err, coretest.ErrInjected)
				log.Script = nil
				_, events, err := f.Follow(t.Context(), "orders", core.Query{})
				require.NoError(t, err)
				log.Script = coretest.Times(1, call, fault)
				_, err = lastError(events)
				require.ErrorIs(t, err, coretest.ErrInjected)
			}
		}
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	all, err := f.Page(t.Context(), "orders", queries.PageQuery{})
	require.NoError(t, err)
	hash := func(p int) core.Hash { return all.Events[p-1].Hash }
	for name, tt := range map[string]struct {
		from, to core.Position
		want     queries.Verification
	}{
		"all":               {0, 0, queries.Verification{From: 1, To: 20, Verified: 20, Head: 20, Hash: hash(20)}},
		"a part":            {5, 8, queries.Verification{From: 5, To: 8, Verified: 4, Head: 20, Hash: hash(8)}},
		"one":               {7, 7, queries.Verification{From: 7, To: 7, Verified: 1, Head: 20, Hash: hash(7)}},
		"up to beyond head": {19, 99, queries.Verification{From: 19, To: 20, Verified: 2, Head: 20, Hash: hash(20)}},
	} {
		got, err := f.Verify(t.Context(), "orders", tt.from, tt.to)
		require.NoError(t, err, name)
		require.Equal(t, tt.want, got, name)
	}
	_, err = f.Verify(t.Context(), "orders", 21, 0)
	require.ErrorContains(t, err, "from")
	_, err = f.Verify(t.Context(), "orders", 5, 4)
	require.ErrorContains(t, err, "from")
	got, err := newFixture(t, new(memory.Log), queries.Config{}).Verify(t.Context(), "orders", 0, 0)
	require.NoError(t, err)
	require.Equal(t, queries.Verification{From: 1}, got)
}

// doctored is a log that reads other events than were written.
type doctored struct {
	core.Log
	change func(core.Event) (core.Event, error)
}

func (d *doctored) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		for e, err := range d.Log.Read(ctx, q) {
			if err == nil {
				e, err = d.change(e)
			}
			if e.Position != 0 && !yield(e, err) || err != nil && !yield(e, err) {
				return
			}
		}
	}
}

func TestVerifyFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	f := twenty(t)
	read := func(p core.Position) core.Event {
		e, err := f.Event(t.Context(), "orders", p)
		require.NoError(t, err)
		return e
	}
	seventh := read(7)
	changed, err := core.ParseLine(strings.Replace(seventh.Line(), "OrderPlaced", "OrderPladed", 1))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		change func(core.Event) (core.Event, error)
		reason string
	}{
		"an event was changed": {func(e core.Event) (core.Event, error) {
			if e.Position == 7 {
				return changed, nil
			}
			return e, nil
		}, "hash"},
		"an event was dropped": {func(e core.Event) (core.Event, error) {
			if e.Position == 7 {
				return core.Event{}, nil
			}
			return e, nil
		}, "it is at 8"},
		"an event can't be read": {func(e core.Event) (core.Event, error) {
			if e.Position == 7 {
				return core.Event{}, &core.CorruptError{Place: "/secret/path", Position: 7, Reason: "no line"}
			}
			return e, nil
		}, "no line"},
		"the log ends early": {func(e core.Event) (core.Event, error) {
			if e.Position >= 7 {
				return core.Event{}, nil
			}
			return e, nil
		}, "no event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := newFixture(t, &doctored{f.log, tt.change}, queries.Config{})
			for _, from := range []core.Position{1, 4} {
				got, err := broken.Verify(t.Context(), "orders", from, 0)
				require.NoError(t, err)
				require.NotNil(t, got.Broken)
				require.Equal(t, core.Position(7), got.Broken.Position)
				require.Contains(t, got.Broken.Reason, tt.reason)
				require.NotContains(t, got.Broken.Reason, "/secret")
				require.Equal(t, [2]core.Position{from, 6}, [2]core.Position{got.From, got.To})
				require.Equal(t, int64(7-from), got.Verified)
				require.Equal(t, read(6).Hash, got.Hash)
			}
		})
	}
}

// endless is a log whose end is damaged.
type endless struct{ core.Log }

func (endless) Head(context.Context) (core.Head, error) {
	return core.Head{}, &core.CorruptError{Place: "/secret/path", Position: 18, Reason: "no line"}
}

func TestVerifyTellsThatTheEndIsDamaged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, endless{new(memory.Log)}, queries.Config{})
	got, err := f.Verify(t.Context(), "orders", 0, 0)
	require.NoError(t, err)
	require.Equal(t, queries.Verification{From: 1, Broken: &queries.Broken{Position: 18, Reason: "no line"}}, got)
	got, err = f.Verify(t.Context(), "orders", 5, 9)
	require.NoError(t, err)
	require.Equal(t, queries.Verification{From: 5, To: 4, Broken: &queries.Broken{Position: 18, Reason: "no line"}}, got)
}

func TestVerifyStopsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(memory.Log)
		coretest.Append(t, log, coretest.Samples(0, 50)...)
		slow := &doctored{log, func(e core.Event) (core.Event, error) { time.Sleep(time.Second); return e, nil }}
		f := newFixture(t, slow, queries.Config{})
		got, err := f.Verify(t.Context(), "orders", 0, 0)
		require.NoError(t, err)
		require.Nil(t, got.Broken)
		require.InDelta(t, 30, int(got.To), 1)
		require.EqualValues(t, got.To, got.Verified)
		rest, err := f.Verify(t.Context(), "orders", got.To+1, 0)
		require.NoError(t, err)
		require.Equal(t, core.Position(50), rest.To)
	})
}

func ExampleReader_Page() {
	registry := topics.New(topics.Config{Documents: new(memory.Documents), Default: "memory",
		Adapters: map[string]topics.Adapter{"memory": new(memory.Topics)}})
	_, err := queries.New(registry, queries.Config{}).Page(context.Background(), "orders", queries.PageQuery{})
	fmt.Println(errors.Is(err, topics.ErrTopicNotFound))
	// Output: true
}

// noting is a log that notes from where it was read.
type noting struct {
	core.Log
	mu    sync.Mutex
	froms []core.Position // guarded by mu
}

func (n *noting) Read(ctx context.Context, q core.Query) iter.Seq2[core.Event, error] {
	n.mu.Lock()
	n.froms = append(n.froms, q.From)
	n.mu.Unlock()
	return n.Log.Read(ctx, q)
}

func TestNothingIsLookedAtTwice(t *testing.T) {
	t.Parallel()
	never := core.Filter{{Types: []string{"Never"}}}
	for name, read := range map[string]func(ctx context.Context, f *fixture) error{
		"by a page that waits": func(ctx context.Context, f *fixture) error {
			_, err := f.Page(ctx, "orders", queries.PageQuery{Query: core.Query{Filter: never}, Wait: 10 * time.Second})
			return err
		},
		"by who follows": func(ctx context.Context, f *fixture) error {
			_, events, err := f.Follow(ctx, "orders", core.Query{Filter: never})
			for range events {
				return errors.New("nothing matches")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &noting{Log: new(memory.Log)}
				f := newFixture(t, log, queries.Config{})
				coretest.Append(t, f.log, coretest.Samples(0, 3)...)
				go func() {
					for i := range 3 {
						time.Sleep(2 * time.Second)
						f.other(t, 3+i)
					}
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
				defer cancel()
				require.NoError(t, read(ctx, f))
				seen := core.Position(0)
				for _, from := range log.froms {
					if from <= 6 { // at the head there is nothing to look at
						require.Greater(t, from, seen)
						seen = from
					}
				}
				require.Equal(t, core.Position(6), seen)
			})
		})
	}
}
