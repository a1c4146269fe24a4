package commands_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/commands"
)

func at(p core.Position) *core.Position { return &p }

// seats are five events: three seats taken, one released, one order.
func seats() []core.Event {
	return []core.Event{
		{ID: "a", Type: "SeatTaken", Subject: "seat-1", Tags: []string{"show:1", "row:1"}, Data: "1"},
		{ID: "b", Type: "SeatTaken", Subject: "seat-2", Tags: []string{"show:1", "row:2"}, Data: "2"},
		{ID: "c", Type: "SeatFreed", Subject: "seat-1", Tags: []string{"show:1", "row:1"}, Data: "3"},
		{ID: "d", Type: "SeatTaken", Subject: "seat-3", Tags: []string{"show:2"}, Data: "4"},
		{ID: "e", Type: "OrderPlaced", Data: "5"},
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	taken, row1 := core.Item{Types: []string{"SeatTaken"}}, core.Item{Tags: []string{"row:1", "show:1"}}
	for name, tt := range map[string]struct {
		condition core.Condition
		position  core.Position // of an event that breaks it
		fails     bool
	}{
		"none":                             {core.Condition{}, 0, false},
		"the head":                         {core.Condition{Head: at(5)}, 0, false},
		"an older head":                    {core.Condition{Head: at(4)}, 0, true},
		"a head that is not there yet":     {core.Condition{Head: at(6)}, 0, true},
		"an empty topic":                   {core.Condition{Head: at(0)}, 0, true},
		"a type":                           {core.Condition{FailIfMatch: []core.Item{taken}}, 4, true},
		"a type after the last":            {core.Condition{FailIfMatch: []core.Item{taken}, After: 4}, 0, false},
		"a type just before":               {core.Condition{FailIfMatch: []core.Item{taken}, After: 3}, 4, true},
		"a subject":                        {core.Condition{FailIfMatch: []core.Item{{Subjects: []string{"seat-1"}}}}, 3, true},
		"a subject after it":               {core.Condition{FailIfMatch: []core.Item{{Subjects: []string{"seat-1"}}}, After: 3}, 0, false},
		"a subject that is new":            {core.Condition{FailIfMatch: []core.Item{{Subjects: []string{"seat-9"}}}}, 0, false},
		"all tags":                         {core.Condition{FailIfMatch: []core.Item{row1}}, 3, true},
		"not all tags":                     {core.Condition{FailIfMatch: []core.Item{{Tags: []string{"row:1", "show:2"}}}}, 0, false},
		"type and tags":                    {core.Condition{FailIfMatch: []core.Item{{Types: taken.Types, Tags: row1.Tags}}}, 1, true},
		"type and tags, later":             {core.Condition{FailIfMatch: []core.Item{{Types: taken.Types, Tags: row1.Tags}}, After: 1}, 0, false},
		"any of the items":                 {core.Condition{FailIfMatch: []core.Item{{Types: []string{"No"}}, {Subjects: []string{"seat-2"}}}}, 2, true},
		"no items match nothing":           {core.Condition{FailIfMatch: []core.Item{}}, 0, false},
		"the empty item matches any event": {core.Condition{FailIfMatch: []core.Item{{}}, After: 4}, 5, true},
		"and none after the head":          {core.Condition{FailIfMatch: []core.Item{{}}, After: 5}, 0, false},
		"after beyond the head":            {core.Condition{FailIfMatch: []core.Item{{}}, After: 99}, 0, false},
		"head and items":                   {core.Condition{Head: at(5), FailIfMatch: []core.Item{taken}, After: 4}, 0, false},
		"head, but not items":              {core.Condition{Head: at(5), FailIfMatch: []core.Item{taken}}, 4, true},
	} {
		for _, window := range []int{1, 2, 1000} {
			for _, cold := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, window %d, cold %v", name, window, cold), func(t *testing.T) {
					t.Parallel()
					s := newShared()
					i := s.instance(t, commands.Config{Window: window})
					i.publish(t, seats()...)
					if cold {
						i = s.instance(t, commands.Config{Window: window})
					}
					result, err := i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("new"), Condition: tt.condition})
					if !tt.fails {
						require.NoError(t, err)
						require.Equal(t, core.Position(6), result.Head)
						require.Len(t, s.stored(t), 6)
						return
					}
					var condition *commands.ConditionError
					require.ErrorAs(t, err, &condition)
					require.Equal(t, core.Position(5), condition.Head)
					if tt.position == 0 {
						require.Zero(t, condition.Position)
					} else {
						requireBreaks(t, s, tt.condition, condition.Position)
					}
					require.Len(t, s.stored(t), 5)
				})
			}
		}
	}
}

// requireBreaks checks that the event at a position breaks a condition.
func requireBreaks(t *testing.T, s *shared, condition core.Condition, position core.Position) {
	t.Helper()
	require.Greater(t, position, condition.After)
	e := s.stored(t)[position-1]
	require.True(t, core.Filter(condition.FailIfMatch).Match(&e), "position %d does not break it", position)
}

func TestBadConditions(t *testing.T) {
	t.Parallel()
	i := newShared().instance(t, commands.Config{})
	for place, condition := range map[string]core.Condition{"condition.after": {After: -1}, "condition.head": {Head: at(-1)}} {
		_, err := i.Publish(t.Context(), "orders", commands.Request{Events: events(1), Condition: condition})
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, place, invalid.Place)
	}
}

// TestOneWinner races publishes with the same condition through several instances: of each round's
// exactly one is stored, and those that lost are told of it.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	const rounds = 1000
	s := newShared()
	instances := []*instance{s.instance(t, commands.Config{}), s.instance(t, commands.Config{Window: 3}), s.instance(t, commands.Config{})}
	for round := range rounds {
		head := core.Position(round)
		subject := fmt.Sprint("entity-", round)
		conditions := []core.Condition{{Head: &head}, {FailIfMatch: []core.Item{{Subjects: []string{subject}}}},
			{FailIfMatch: []core.Item{{Tags: []string{subject}}}, After: head}}
		condition := conditions[round%len(conditions)]
		var wins, losses atomic.Int64
		var racing sync.WaitGroup
		for n := range 6 {
			racing.Go(func() {
				e := core.Event{Type: "T", Subject: subject, Tags: []string{subject}, Data: fmt.Sprint(n)}
				if n%2 == 0 {
					e.ID = fmt.Sprint(round, "-", n)
				}
				_, err := instances[n%3].Publish(t.Context(), "orders", commands.Request{Events: []core.Event{e}, Condition: condition})
				var broken *commands.ConditionError
				switch {
				case err == nil:
					wins.Add(1)
				case errors.As(err, &broken) && broken.Head == head+1 && (broken.Position == head+1 || condition.Head != nil):
					losses.Add(1)
				default:
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		racing.Wait()
		require.EqualValues(t, 1, wins.Load(), "round %d", round)
		require.EqualValues(t, 5, losses.Load(), "round %d", round)
	}
	require.Len(t, s.stored(t), rounds)
}

// TestRepeatedIDs publishes the same ids through several instances at once: each is stored once, and
// everybody is told the same position.
func TestRepeatedIDs(t *testing.T) {
	t.Parallel()
	const ids, repeats = 300, 8
	s := newShared()
	instances := []*instance{s.instance(t, commands.Config{}), s.instance(t, commands.Config{Window: 3}), s.instance(t, commands.Config{Window: 50})}
	var positions [ids][repeats]core.Position
	var running sync.WaitGroup
	for n := range repeats {
		running.Go(func() {
			for id := range ids {
				batch := withIDs(fmt.Sprint("id-", id), fmt.Sprint("id-", (id+7)%ids))
				result, err := instances[n%3].Publish(t.Context(), "orders", commands.Request{Events: batch})
				if err != nil {
					t.Errorf("%d: %v", id, err)
					return
				}
				positions[id][n] = result.Events[0].Position
			}
		})
	}
	running.Wait()
	all := s.stored(t)
	require.Len(t, all, ids)
	for id := range ids {
		for n := range repeats {
			require.Equal(t, positions[id][0], positions[id][n])
		}
		require.Equal(t, fmt.Sprint("id-", id), all[positions[id][0]-1].ID)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	stored := func(id string, p core.Position, duplicate bool) commands.Stored {
		return commands.Stored{ID: id, Position: p, Duplicate: duplicate}
	}
	other := func(change func(*core.Event)) []core.Event {
		e := withIDs("a")
		change(&e[0])
		return e
	}
	for name, tt := range map[string]struct {
		events    []core.Event
		condition core.Condition
		want      []commands.Stored
		conflict  core.Position // of the first, -1 within the request
		fails     bool          // the condition
	}{
		"one repeated":                    {events: withIDs("a"), want: []commands.Stored{stored("a", 1, true)}},
		"all repeated, in another order":  {events: withIDs("c", "a"), want: []commands.Stored{stored("c", 3, true), stored("a", 1, true)}},
		"repeated, the condition is over": {events: withIDs("a"), condition: core.Condition{Head: at(0)}, want: []commands.Stored{stored("a", 1, true)}},
		"repeated, its items match":       {events: withIDs("b"), condition: core.Condition{FailIfMatch: []core.Item{{}}}, want: []commands.Stored{stored("b", 2, true)}},
		"repeated, a head to come":        {events: withIDs("b"), condition: core.Condition{Head: at(9)}, want: []commands.Stored{stored("b", 2, true)}},
		"some are new":                    {events: withIDs("x", "b", "y"), want: []commands.Stored{stored("x", 4, false), stored("b", 2, true), stored("y", 5, false)}},
		"some are new, and may be":        {events: withIDs("x", "b"), condition: core.Condition{Head: at(3)}, want: []commands.Stored{stored("x", 4, false), stored("b", 2, true)}},
		"some are new, and may not be":    {events: withIDs("x", "b"), condition: core.Condition{Head: at(2)}, fails: true},
		"twice in the request":            {events: withIDs("x", "y", "x"), want: []commands.Stored{stored("x", 4, false), stored("y", 5, false), stored("x", 4, true)}},
		"twice, and stored":               {events: withIDs("b", "x", "b"), want: []commands.Stored{stored("b", 2, true), stored("x", 4, false), stored("b", 2, true)}},
		"twice, with other content":       {events: append(withIDs("x"), core.Event{ID: "x", Type: "T"}), conflict: -1},
		"another type":                    {events: other(func(e *core.Event) { e.Type = "Other" }), conflict: 1},
		"another source":                  {events: other(func(e *core.Event) { e.Source = "/other" }), conflict: 1},
		"another subject":                 {events: other(func(e *core.Event) { e.Subject = "other" }), conflict: 1},
		"no subject":                      {events: other(func(e *core.Event) { e.Subject = "" }), conflict: 1},
		"other data":                      {events: other(func(e *core.Event) { e.Data = "0" }), conflict: 1},
		"bytes instead":                   {events: other(func(e *core.Event) { e.Data, e.DataBase64 = "", "AAAA" }), conflict: 1},
		"other tags are the same event":   {events: other(func(e *core.Event) { e.Tags = []string{"t"} }), want: []commands.Stored{stored("a", 1, true)}},
		"a conflict among new ones":       {events: append(withIDs("x"), core.Event{ID: "b", Type: "T"}), conflict: 2},
		"a conflict before a condition":   {events: []core.Event{{ID: "c", Type: "T"}}, condition: core.Condition{Head: at(0)}, conflict: 3},
	} {
		for _, window := range []int{1, 1000} {
			for _, cold := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, window %d, cold %v", name, window, cold), func(t *testing.T) {
					t.Parallel()
					s := newShared()
					i := s.instance(t, commands.Config{Window: window})
					i.publish(t, withIDs("a", "b", "c")...)
					if cold {
						i = s.instance(t, commands.Config{Window: window})
					}
					result, err := i.Publish(t.Context(), "orders", commands.Request{Events: tt.events, Condition: tt.condition})
					all := s.stored(t)
					if tt.want == nil {
						var conflict *commands.IDConflictError
						var broken *commands.ConditionError
						require.Len(t, all, 3)
						require.Equal(t, tt.fails, errors.As(err, &broken), "%v", err)
						require.Equal(t, !tt.fails, errors.As(err, &conflict), "%v", err)
						if conflict != nil {
							require.Equal(t, max(tt.conflict, 0), conflict.Position)
							require.Equal(t, tt.events[conflict.Index].ID, conflict.ID)
						}
						return
					}
					require.NoError(t, err)
					require.Equal(t, tt.want, result.Events)
					fresh := 0
					for _, e := range tt.want {
						require.LessOrEqual(t, result.First, e.Position)
						require.GreaterOrEqual(t, result.Last, e.Position)
						if !e.Duplicate {
							fresh++
						}
					}
					require.Equal(t, fresh == 0, result.Repeated())
					require.Len(t, all, 3+fresh)
					require.EqualValues(t, len(all), result.Head)
					require.False(t, all[len(all)-1].More)
					if fresh > 1 {
						require.True(t, all[len(all)-2].More)
					}
				})
			}
		}
	}
}

// TestInOneBatch publishes what repeats or breaks what waits in the same batch.
func TestInOneBatch(t *testing.T) {
	t.Parallel()
	s := newShared()
	gate := newGate(s.log)
	s.log = gate
	i := s.instance(t, commands.Config{})
	first := make(chan error, 1)
	go func() {
		_, err := i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("first")})
		first <- err
	}()
	<-gate.entered // from here on all gather
	type answer struct {
		result commands.Result
		err    error
	}
	ask := func(request commands.Request) chan answer {
		answers := make(chan answer, 1)
		go func() {
			result, err := i.Publish(t.Context(), "orders", request)
			answers <- answer{result, err}
		}()
		return answers
	}
	waitQueued := func(n int) { require.Eventually(t, func() bool { return i.Waiting("orders") == n }, patience, glance) }
	original := ask(commands.Request{Events: withIDs("x")})
	waitQueued(1)
	repeated := ask(commands.Request{Events: withIDs("x"), Condition: core.Condition{FailIfMatch: []core.Item{{Subjects: []string{"of x"}}}}})
	waitQueued(2)
	conflicting := ask(commands.Request{Events: []core.Event{{ID: "x", Type: "T"}}})
	waitQueued(3)
	broken := ask(commands.Request{Events: events(1), Condition: core.Condition{FailIfMatch: []core.Item{{Subjects: []string{"of x"}}}}})
	waitQueued(4)
	mixed := ask(commands.Request{Events: withIDs("y", "x")})
	waitQueued(5)
	close(gate.open)
	require.NoError(t, <-first)
	got := <-original
	require.NoError(t, got.err)
	require.Equal(t, core.Position(2), got.result.First)
	got = <-repeated
	require.NoError(t, got.err)
	require.Equal(t, []commands.Stored{{ID: "x", Position: 2, Duplicate: true}}, got.result.Events)
	var conflict *commands.IDConflictError
	require.ErrorAs(t, (<-conflicting).err, &conflict)
	require.Equal(t, core.Position(2), conflict.Position)
	var condition *commands.ConditionError
	require.ErrorAs(t, (<-broken).err, &condition)
	require.Equal(t, core.Position(2), condition.Position)
	got = <-mixed
	require.NoError(t, got.err)
	require.Equal(t, []commands.Stored{{ID: "y", Position: 3}, {ID: "x", Position: 2, Duplicate: true}}, got.result.Events)
	require.Len(t, s.stored(t), 3)
	require.EqualValues(t, 2, i.log.Appends.Load())
}

// TestAnAnswerRestsOnWhatIsStored fails a batch: what was answered out of it must not be as if it
// had been stored.
func TestAnAnswerRestsOnWhatIsStored(t *testing.T) {
	t.Parallel()
	s := newShared()
	gate := newGate(s.log)
	s.log = gate
	i := s.instance(t, commands.Config{})
	go func() { _, _ = i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("first")}) }()
	<-gate.entered
	errs := make(chan error, 2)
	for n := range 2 {
		go func() {
			_, err := i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("x")})
			errs <- err
		}()
		require.Eventually(t, func() bool { return i.Waiting("orders") == n+1 }, patience, glance)
	}
	gate.failFrom(2, fmt.Errorf("%w: no space left", core.ErrUnavailable))
	close(gate.open)
	for range 2 {
		var outcome *commands.OutcomeError
		require.ErrorAs(t, <-errs, &outcome)
		require.False(t, outcome.Unknown)
		require.ErrorIs(t, outcome, core.ErrUnavailable)
	}
	require.Len(t, s.stored(t), 1)
}

// An instance that has not seen what another stored must not refuse, by a condition, what is answered by its ids.
func TestIDsThatAnotherInstanceStoredComeBeforeConditions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]core.Condition{
		"items that an event known here matches": {FailIfMatch: []core.Item{{Subjects: []string{"of a"}}}},
		"a head that is past":                    {Head: at(0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared()
			here, there := s.instance(t, commands.Config{}), s.instance(t, commands.Config{})
			here.publish(t, withIDs("a")...)
			there.publish(t, withIDs("b")...)
			result, err := here.Publish(t.Context(), "orders", commands.Request{Events: withIDs("b"), Condition: tt})
			require.NoError(t, err)
			require.Equal(t, []commands.Stored{{ID: "b", Position: 2, Duplicate: true}}, result.Events)

			there.publish(t, withIDs("c")...)
			other := withIDs("c")
			other[0].Data = "7"
			_, err = here.Publish(t.Context(), "orders", commands.Request{Events: other, Condition: tt})
			var conflict *commands.IDConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, core.Position(3), conflict.Position)

			there.publish(t, withIDs("d")...)
			_, err = here.Publish(t.Context(), "orders", commands.Request{Events: withIDs("e"), Condition: tt})
			var condition *commands.ConditionError
			require.ErrorAs(t, err, &condition)
			require.Equal(t, core.Position(4), condition.Head)
			require.Len(t, s.stored(t), 4)
		})
	}
}
