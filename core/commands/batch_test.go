package commands_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/topics"
)

// slow is a log whose appends take a while; it notes how many events each had.
type slow struct {
	core.Log
	takes  time.Duration
	deaf   bool // it does not listen to its context
	mu     sync.Mutex
	events []int // guarded by mu
}

func (s *slow) Append(ctx context.Context, after core.Head, events []core.Event) error {
	s.mu.Lock()
	s.events = append(s.events, len(events))
	s.mu.Unlock()
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(s.takes):
		return s.Log.Append(ctx, after, events)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inBubble runs a test with a slow topic, on a clock of its own.
func inBubble(t *testing.T, takes time.Duration, config commands.Config, test func(t *testing.T, s *shared, log *slow, i *instance)) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		log := &slow{Log: s.log, takes: takes}
		s.log = log
		test(t, s, log, s.instance(t, config))
	})
}

// publishAll publishes requests at once and returns their errors.
func publishAll(t *testing.T, i *instance, requests [][]core.Event) []error {
	errs := make([]error, len(requests))
	var publishing sync.WaitGroup
	for n, events := range requests {
		publishing.Go(func() {
			_, errs[n] = i.Publish(t.Context(), "orders", commands.Request{Events: events})
		})
		synctest.Wait() // so that they queue in this order
	}
	publishing.Wait()
	return errs
}

func repeat(n int, events []core.Event) [][]core.Event {
	requests := make([][]core.Event, n)
	for i := range requests {
		requests[i] = events
	}
	return requests
}

func TestBatches(t *testing.T) {
	t.Parallel()
	large := core.Event{Type: "T", Data: `"` + strings.Repeat("x", 1_000_000) + `"`}
	for name, tt := range map[string]struct {
		requests [][]core.Event
		want     []int // events per append
	}{
		"101 callers make batches of 1 and 100": {repeat(101, events(1)), []int{1, 100}},
		"a batch has at most 5,000 events":      {repeat(12, events(1000)), []int{1000, 5000, 5000, 1000}},
		"a batch has at most 4 MiB":             {repeat(10, []core.Event{large}), []int{1, 4, 4, 1}},
		"a request is never split": {[][]core.Event{events(1), events(4000), events(2000), events(10_000), events(3)},
			[]int{1, 4000, 2000, 10_000, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, time.Second, commands.Config{}, func(t *testing.T, s *shared, log *slow, i *instance) {
				for _, err := range publishAll(t, i, tt.requests) {
					require.NoError(t, err)
				}
				require.Equal(t, tt.want, log.events)
				total := 0
				for _, request := range tt.requests {
					total += len(request)
				}
				require.Len(t, s.stored(t), total)
			})
		})
	}
}

func TestAFullQueueIsTooBusy(t *testing.T) {
	t.Parallel()
	large := []core.Event{{Type: "T", Data: `"` + strings.Repeat("x", 1_000_000) + `"`}}
	for name, tt := range map[string]struct {
		config commands.Config
		events []core.Event
	}{
		"of requests": {commands.Config{Waiting: 5}, events(1)},
		"of bytes":    {commands.Config{WaitingBytes: 5_300_000}, large},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, time.Second, tt.config, func(t *testing.T, s *shared, _ *slow, i *instance) {
				busy := 0
				for _, err := range publishAll(t, i, repeat(10, tt.events)) {
					if err == nil {
						continue
					}
					require.ErrorIs(t, err, core.ErrTooBusy)
					var outcome *commands.OutcomeError
					require.ErrorAs(t, err, &outcome)
					require.False(t, outcome.Unknown)
					require.Positive(t, outcome.RetryAfter)
					busy++
				}
				require.Equal(t, 4, busy)
				require.Len(t, s.stored(t), 6)
			})
		})
	}
}

// TestNoPublishWaitsForEver has a log that hangs, listening to its context or not.
func TestNoPublishWaitsForEver(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		inBubble(t, 100*time.Hour, commands.Config{}, func(t *testing.T, s *shared, log *slow, i *instance) {
			log.deaf = deaf
			start := time.Now()
			errs := publishAll(t, i, repeat(3, events(1)))
			require.LessOrEqual(t, time.Since(start), 31*time.Second)
			for n, err := range errs {
				var outcome *commands.OutcomeError
				require.ErrorAs(t, err, &outcome)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, n == 0 || !deaf && outcome.Unknown, outcome.Unknown, "those that waited were not stored")
			}
			require.Empty(t, s.stored(t))
		})
	}
}

func TestWhoGivesUpWhileWaitingIsNotStored(t *testing.T) {
	t.Parallel()
	inBubble(t, 5*time.Second, commands.Config{}, func(t *testing.T, s *shared, _ *slow, i *instance) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var publishing sync.WaitGroup
		errs := make([]error, 2)
		for n := range errs {
			publishing.Go(func() {
				_, errs[n] = i.Publish(ctx, "orders", commands.Request{Events: withIDs(fmt.Sprint(n))})
			})
			synctest.Wait()
		}
		publishing.Wait()
		for n, unknown := range []bool{true, false} {
			var outcome *commands.OutcomeError
			require.ErrorAs(t, errs[n], &outcome)
			require.Equal(t, unknown, outcome.Unknown)
		}
		i.publish(t, withIDs("2")...)
		all := s.stored(t)
		require.Len(t, all, 2)
		require.Equal(t, "0", all[0].ID, "what was under way was stored all the same")
		require.Equal(t, "2", all[1].ID)
	})
}

func TestWhoHasGivenUpStoresNothing(t *testing.T) {
	t.Parallel()
	s := newShared()
	i := s.instance(t, commands.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, request := range []commands.Request{{Events: events(1)}, {Events: withIDs("x")}} {
		_, err := i.Publish(ctx, "orders", request)
		var outcome *commands.OutcomeError
		require.ErrorAs(t, err, &outcome)
		require.False(t, outcome.Unknown)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Empty(t, s.stored(t))
}

func TestOneSlowTopicLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs, quick := newShared(), newShared()
		hangs.log = &slow{Log: hangs.log, takes: 8 * time.Second}
		registry := topics.New(topics.Config{Documents: quick.documents, Adapters: map[string]topics.Adapter{
			"hangs": &adapter{opened: newFlaky(hangs.log), identity: "log-1"}, "quick": &adapter{opened: newFlaky(quick.log), identity: "log-2"}}})
		for _, name := range []string{"hangs", "quick"} {
			_, _, err := registry.Create(t.Context(), core.TopicConfig{Name: name, Adapter: name})
			require.NoError(t, err)
		}
		p := commands.New(registry, commands.Config{})
		start := time.Now()
		go func() { _, _ = p.Publish(t.Context(), "hangs", commands.Request{Events: events(1)}) }()
		synctest.Wait()
		_, err := p.Publish(t.Context(), "quick", commands.Request{Events: events(1)})
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		p.Close()
		require.Equal(t, 8*time.Second, time.Since(start), "Close waits for what is under way")
		require.Len(t, hangs.stored(t), 1)
		_, err = p.Publish(t.Context(), "quick", commands.Request{Events: events(1)})
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.Len(t, quick.stored(t), 1)
	})
}

func TestPublishedIsTold(t *testing.T) {
	t.Parallel()
	s := newShared()
	var heads []core.Position
	i := s.instance(t, commands.Config{Published: func(topic string, head core.Position) {
		if topic != "orders" {
			t.Error(topic)
		}
		heads = append(heads, head)
	}})
	i.publish(t, withIDs("a", "b")...)
	i.publish(t, withIDs("a")...)
	i.publish(t, withIDs("c")...)
	i.Close()
	require.Equal(t, []core.Position{2, 3}, heads)
}

// TestTheClock keeps recorded times from running backward, and takes the clock's otherwise.
func TestTheClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 20, 49, 0, 123456789, time.UTC)
	s := newShared()
	i := s.instance(t, commands.Config{Now: func() time.Time { return now }})
	happened := time.Date(2026, 1, 1, 12, 0, 0, 999, time.FixedZone("", 3600))
	i.publish(t, core.Event{Type: "T", Time: happened})
	now = now.Add(-time.Hour)
	i.publish(t, events(1)...)
	all := s.stored(t)
	require.Equal(t, "2026-11-22T20:49:00.123456Z", core.FormatTime(all[0].Recorded))
	require.Equal(t, "2026-01-01T11:00:00.000000Z", core.FormatTime(all[0].Time))
	require.Equal(t, all[0].Recorded, all[1].Recorded)
	require.Equal(t, all[1].Recorded, all[1].Time)
}

func TestWhatTheStoreGivesAnEventDoesNotMakeItTooLarge(t *testing.T) {
	t.Parallel()
	s := newShared()
	i := s.instance(t, commands.Config{})
	largest := core.Event{Type: "T"}
	largest.Data = `"` + strings.Repeat("x", core.MaxEventSize-len(`{"type":"T","data":""}`)) + `"`
	require.Equal(t, core.MaxEventSize, largest.Size())
	i.publish(t, largest)
	most := make([]core.Event, 16) // together all but a few bytes of the largest request
	for n := range most {
		most[n] = core.Event{Type: "T", Data: `"` + strings.Repeat("x", core.MaxRequestSize/len(most)-23) + `"`}
	}
	i.publish(t, most...)
	require.Len(t, s.stored(t), 17)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := newShared()
	i := s.instance(t, commands.Config{})
	huge := `"` + strings.Repeat("x", core.MaxEventSize) + `"`
	heavy := events(20)
	for n := range heavy {
		heavy[n].Data = huge[1000:]
		heavy[n].Data = `"` + heavy[n].Data[1:]
	}
	year := core.Event{Type: "T", Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))}
	for name, tt := range map[string]struct {
		events   []core.Event
		place    string
		tooLarge bool
	}{
		"no events":        {nil, "events", false},
		"no type":          {append(events(3), core.Event{}), "events[3].type", false},
		"too many":         {events(10_001), "events", true},
		"one too large":    {append(events(1), core.Event{Type: "T", Data: huge}), "events[1]", true},
		"all too large":    {heavy, "events", true},
		"a year too large": {[]core.Event{year}, "events[0].time", false},
	} {
		_, err := i.Publish(t.Context(), "orders", commands.Request{Events: tt.events})
		var invalid *core.InvalidError
		var large *core.TooLargeError
		if errors.As(err, &large); tt.tooLarge {
			require.NotNil(t, large, "%s: %v", name, err)
			require.Equal(t, tt.place, large.Place, name)
			continue
		}
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, tt.place, invalid.Place, name)
	}
	require.Empty(t, s.stored(t))
	_, err := i.Publish(t.Context(), "nothing", commands.Request{Events: events(1)})
	require.ErrorIs(t, err, topics.ErrTopicNotFound)
	mine := events(2)
	mine[0].Position, mine[0].Hash, mine[0].More, mine[0].Recorded = 7, core.Hash{1}, true, time.Unix(0, 0)
	before := append([]core.Event(nil), mine...)
	i.publish(t, mine...)
	require.Equal(t, before, mine, "the caller's events stay as they were")
	require.WithinDuration(t, time.Now(), s.stored(t)[0].Recorded, time.Minute)
}
