package projections_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/projections"
)

// rebuilt does the replay timer's work until nothing is being built.
func rebuilt(t *testing.T, p *projections.Projections, name string) projections.Status {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		_ = p.Rebuilds(t.Context()) // what fails is tried again
		status, err := p.Status(t.Context(), name)
		require.NoError(t, err)
		if status.Rebuild == nil {
			return status
		}
	}
	t.Fatal("the rebuild does not end")
	return projections.Status{}
}

// folded is a store with so many events and an instance that has folded them.
func folded(t *testing.T, events int) (*store, *projections.Projections) {
	t.Helper()
	s := newStore(t, "orders")
	p := s.instance()
	s.append("orders", sequence(0, events)...)
	put(t, p, "tally", tallied("orders"))
	caughtUp(t, p, "tally")
	return s, p
}

func TestARebuildMakesTheSame(t *testing.T) {
	t.Parallel()
	s, p := folded(t, 800)
	before, err := p.Status(t.Context(), "tally")
	require.NoError(t, err)
	number, err := p.Rebuild(t.Context(), "tally")
	require.NoError(t, err)
	require.Equal(t, 2, number)
	again, err := p.Rebuild(t.Context(), "tally")
	require.NoError(t, err)
	require.Equal(t, number, again, "one that is under way goes on")
	after := rebuilt(t, p, "tally")
	require.Equal(t, 2, after.Version)
	require.Equal(t, 1, after.Previous)
	require.NotEmpty(t, before.Digest)
	require.Equal(t, before.Digest, after.Digest)
	require.Equal(t, before.Documents, after.Documents)
	require.Equal(t, projections.Positions{"orders": 800}, after.Counted)
	require.Equal(t, s.model("orders"), s.all(p, "tally"))
}

// While a rebuild goes on, with events coming and its runs cancelled, readers see the old documents, all of them, and after the switch the
// new ones, all of them.
func TestReadersSeeOneVersionWhole(t *testing.T) {
	t.Parallel()
	const documents = 300
	s := newStore(t, "orders")
	handlers := func(c *projections.Config) { c.Handlers = []projections.Handler{marker("old"), marker("new")} }
	p := s.instance(handlers)
	killed := s.instance(handlers, func(c *projections.Config) { c.SliceTime = time.Millisecond })
	for i := range documents {
		s.append("orders", event(i, "Add", 1, fmt.Sprintf("k-%03d", i)))
	}
	put(t, p, "marks", projections.Definition{Topics: []string{"orders"}, Handler: "old"})
	caughtUp(t, p, "marks")
	put(t, p, "marks", projections.Definition{Topics: []string{"orders"}, Handler: "new"})
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() {
		for last := ""; ctx.Err() == nil; {
			mark := markOf(t, p, documents)
			if mark == "" || last == "new" && mark == "old" {
				t.Errorf("a reader saw %q after %q", mark, last)
				return
			}
			last = mark
		}
	})
	for i := 0; markOf(t, p, documents) == "old"; i++ {
		slice, stop := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
		_ = killed.Rebuilds(slice) // it is killed: that is the point
		stop()
		s.append("orders", event(1000+i, "Add", 1, fmt.Sprintf("k-%03d", i%documents)))
		require.NoError(t, p.Project(t.Context()))
		require.Less(t, i, 1000)
	}
}

// marker makes documents that say who made them.
func marker(mark string) projections.Handler {
	return projections.Typed(mark, nil, func(e *core.Event) ([]string, error) { return []string{e.Subject}, nil },
		func(doc *string, e *core.Event) (*string, error) { return &mark, nil })
}

// markOf is what all documents say, "" where they disagree or are not all there. It pages, so it reads one version.
func markOf(t *testing.T, p *projections.Projections, documents int) string {
	marks, n, q := map[string]bool{}, 0, projections.PageQuery{Limit: 100}
	for {
		page, err := p.List(t.Context(), "marks", q, projections.Fresh{})
		if err != nil {
			t.Errorf("reading a page: %v", err)
			return ""
		}
		for _, d := range page.Documents {
			marks[strings.Trim(d.Value, `"`)] = true
			n++
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if len(marks) != 1 || n != documents {
		t.Errorf("a reader saw %d documents of %v", n, marks)
		return ""
	}
	for mark := range marks {
		return mark
	}
	return ""
}

func TestAPageKeepsToItsVersion(t *testing.T) {
	t.Parallel()
	s, p := folded(t, 100)
	first, err := p.List(t.Context(), "tally", projections.PageQuery{Limit: 3}, projections.Fresh{})
	require.NoError(t, err)
	old := s.all(p, "tally")
	put(t, p, "tally", times(2, "orders"))
	rebuilt(t, p, "tally")
	rest, err := p.List(t.Context(), "tally", projections.PageQuery{After: first.Next, Limit: 1000}, projections.Fresh{})
	require.NoError(t, err)
	require.Len(t, rest.Documents, len(old)-3)
	for _, d := range rest.Documents {
		require.Equal(t, old[d.Key], d.Value)
	}
	_, err = p.Rebuild(t.Context(), "tally")
	require.NoError(t, err)
	rebuilt(t, p, "tally")
	_, err = p.List(t.Context(), "tally", projections.PageQuery{After: first.Next, Limit: 3}, projections.Fresh{})
	require.ErrorIs(t, err, projections.ErrPageExpired)
}

func TestARollbackBringsTheOldAnswersBackAtOnce(t *testing.T) {
	t.Parallel()
	s, p := folded(t, 100)
	old := s.all(p, "tally")
	put(t, p, "tally", times(2, "orders"))
	rebuilt(t, p, "tally")
	changed := s.all(p, "tally")
	require.NotEqual(t, old, changed)
	require.Error(t, p.Rollback(t.Context(), "tally", 7))
	require.NoError(t, p.Rollback(t.Context(), "tally", 1))
	require.Equal(t, old, s.all(p, "tally"))
	s.append("orders", sequence(100, 50)...)
	caughtUp(t, p, "tally")
	require.Equal(t, s.model("orders"), s.all(p, "tally"), "it catches up")
	require.NoError(t, p.Rollback(t.Context(), "tally", 2))
	require.Equal(t, changed, s.all(p, "tally"), "and can be undone")
}

func TestADefinitionPutDuringARebuildTakesItsPlace(t *testing.T) {
	t.Parallel()
	s, p := folded(t, 3000)
	put(t, p, "tally", times(3, "orders"))
	require.NoError(t, p.Pause(t.Context(), "tally"))
	require.NoError(t, p.Rebuilds(t.Context()))
	put(t, p, "tally", times(2, "orders"))
	status, err := p.Status(t.Context(), "tally")
	require.NoError(t, err)
	require.Equal(t, 3, status.Rebuild.Version)
	put(t, p, "tally", tallied("orders"))
	status, err = p.Status(t.Context(), "tally")
	require.NoError(t, err)
	require.NoError(t, p.Resume(t.Context(), "tally"))
	require.Nil(t, status.Rebuild, "the live definition put again gives the rebuild up")
	require.Equal(t, 1, status.Version)
	require.Equal(t, s.model("orders"), s.all(p, "tally"))
}

func TestDeleteAndPutAgainBeginsAnew(t *testing.T) {
	t.Parallel()
	s, p := folded(t, 100)
	require.NoError(t, p.Delete(t.Context(), "tally"))
	_, err := p.Status(t.Context(), "tally")
	require.ErrorIs(t, err, projections.ErrNotFound)
	require.ErrorIs(t, p.Delete(t.Context(), "tally"), projections.ErrNotFound)
	created, err := p.Put(t.Context(), "tally", tallied("orders"))
	require.NoError(t, err)
	require.True(t, created)
	status, err := p.Status(t.Context(), "tally")
	require.NoError(t, err)
	require.Equal(t, 2, status.Version, "a number is never given twice")
	require.Empty(t, s.all(p, "tally"))
	caughtUp(t, p, "tally")
	require.Equal(t, s.model("orders"), s.all(p, "tally"))
}

func TestReplayRunsARebuildToItsEnd(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance()
	s.append("orders", sequence(0, 500)...)
	put(t, p, "tally", tallied("orders"))
	told := []projections.Progress{}
	require.NoError(t, p.Replay(t.Context(), "tally", func(progress projections.Progress) { told = append(told, progress) }))
	require.True(t, told[len(told)-1].Done)
	require.Equal(t, s.model("orders"), s.all(p, "tally"))
	require.ErrorIs(t, p.Replay(t.Context(), "none", nil), projections.ErrNotFound)
	require.NoError(t, p.Pause(t.Context(), "tally"))
	require.ErrorContains(t, p.Replay(t.Context(), "tally", func(projections.Progress) {}), "paused")
}

func TestAScheduledRebuildStartsWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	clock := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p := s.instance(func(c *projections.Config) { c.Now = func() time.Time { return clock } })
	d := tallied("orders")
	d.Schedule = "0 0 * * * *"
	put(t, p, "tally", d)
	require.NoError(t, p.Rebuilds(t.Context()))
	require.Equal(t, 1, rebuilt(t, p, "tally").Version)
	clock = clock.Add(time.Hour)
	require.NoError(t, p.Rebuilds(t.Context()))
	require.Equal(t, 2, rebuilt(t, p, "tally").Version)
	require.NoError(t, p.Rebuilds(t.Context()))
	require.Equal(t, 2, rebuilt(t, p, "tally").Version, "once each time")
}

// A log that has another event at the checkpoint stops the projection; a rebuild from the log that is there now helps.
func TestAReplacedLogIsToldAndNotFoldedOn(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"with fewer events": 3, "with more events": 200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "orders")
			p := s.instance()
			s.append("orders", sequence(0, 50)...)
			put(t, p, "tally", tallied("orders"))
			caughtUp(t, p, "tally")
			require.NoError(t, s.registry.Delete(t.Context(), "orders")) // in memory the events are gone
			status, err := p.Status(t.Context(), "tally")
			require.NoError(t, err)
			require.Equal(t, projections.Paused, status.State)
			require.NoError(t, p.Project(t.Context()))
			_, _, err = s.registry.Create(t.Context(), core.TopicConfig{Name: "orders"})
			require.NoError(t, err)
			s.append("orders", sequence(1000, n)...)
			require.NoError(t, p.Project(t.Context()))
			status, err = p.Status(t.Context(), "tally")
			require.NoError(t, err)
			require.Equal(t, projections.Failed, status.State)
			require.Contains(t, status.LastError.Message, "replaced or restored")
			require.Error(t, p.Skip(t.Context(), "tally", "orders", status.LastError.Position))
			trouble, err := p.Health(t.Context())
			require.NoError(t, err)
			require.Contains(t, trouble["tally"], "replaced or restored")
			_, err = p.Rebuild(t.Context(), "tally")
			require.NoError(t, err)
			rebuilt(t, p, "tally")
			require.Equal(t, s.model("orders"), s.all(p, "tally"))
		})
	}
}

func TestAReplayOfATopicThatIsNotRegisteredEnds(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance()
	put(t, p, "tally", tallied("orders"))
	require.NoError(t, s.registry.Delete(t.Context(), "orders"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := p.Replay(ctx, "tally", func(projections.Progress) {})
	require.ErrorContains(t, err, `the topic "orders" that projection "tally" reads is not registered`)
}
