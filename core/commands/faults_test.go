package commands_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/commands"
	"eventstore/core/coretest"
)

// TestAFailedCallIsMadeGood fails each call of a publish once, before and after its effect:
// whatever is answered, the events are there as it says, and repeating the request stores nothing twice.
func TestAFailedCallIsMadeGood(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Log.Append", "Log.Head", "Log.Read", "Log.Find"} {
		for _, fault := range []coretest.Fault{coretest.FailBefore, coretest.FailAfter} {
			for _, condition := range []core.Condition{{}, {FailIfMatch: []core.Item{{Types: []string{"Other"}}}}, {Head: at(4)}} {
				synctest.Test(t, func(t *testing.T) {
					s := newShared()
					s.instance(t, commands.Config{}).publish(t, withIDs("a", "b", "c", "d")...)
					i := s.instance(t, commands.Config{Window: 2})
					i.log.Script = coretest.Times(1, call, fault)
					request := commands.Request{Events: withIDs("x", "y"), Condition: condition}
					result, err := i.Publish(t.Context(), "orders", request)
					if call == "Log.Append" {
						require.NoError(t, err, "an append whose answer is lost is found out about")
					}
					requireOutcome(t, s, 4, 2, result, err)
					i.log.Script = nil
					result, err = i.Publish(t.Context(), "orders", request)
					require.NoError(t, err)
					require.Equal(t, core.Position(5), result.First)
					require.Len(t, s.stored(t), 6)
				})
			}
		}
	}
}

// requireOutcome checks that n events were stored behind before, or none, as an answer says.
func requireOutcome(t *testing.T, s *shared, before, n int, result commands.Result, err error) {
	t.Helper()
	stored := len(s.stored(t)) - before
	var outcome *commands.OutcomeError
	switch {
	case err == nil:
		require.Equal(t, n, stored)
		require.EqualValues(t, before+1, result.First)
	case errors.As(err, &outcome) && outcome.Unknown:
		require.Contains(t, []int{0, n}, stored)
	default:
		require.ErrorAs(t, err, &outcome)
		require.Zero(t, stored, "it was said that nothing is stored")
		require.Positive(t, outcome.RetryAfter)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	always := func(fault coretest.Fault, calls ...string) coretest.Script {
		return func(call string) coretest.Fault {
			for _, c := range calls {
				if c == call {
					return fault
				}
			}
			return coretest.Pass
		}
	}
	for name, tt := range map[string]struct {
		script  coretest.Script
		unknown bool
		stored  int
		err     bool
	}{
		"kept, and no answer ever":                 {always(coretest.FailAfter, "Log.Append"), false, 1, false},
		"kept, and nothing can be found out":       {always(coretest.FailAfter, "Log.Append", "Log.Head"), true, 1, true},
		"not kept, and no answer ever":             {always(coretest.FailBefore, "Log.Append"), true, 0, true},
		"not kept, and nothing can be found out":   {always(coretest.FailBefore, "Log.Append", "Log.Head"), true, 0, true},
		"the head can't be read before the append": {always(coretest.FailBefore, "Log.Head"), false, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShared()
				i := s.instance(t, commands.Config{})
				if tt.unknown { // so that the first head is known
					i.publish(t, withIDs("first")...)
				}
				before := len(s.stored(t))
				i.log.Script = tt.script
				start := time.Now()
				_, err := i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("x")})
				require.Less(t, time.Since(start), 30*time.Second)
				require.Len(t, s.stored(t), before+tt.stored)
				var outcome *commands.OutcomeError
				require.Equal(t, tt.err, errors.As(err, &outcome), "%v", err)
				if tt.err {
					require.Equal(t, tt.unknown, outcome.Unknown)
					require.ErrorIs(t, err, coretest.ErrInjected)
				}
				i.log.Script = nil
				i.publish(t, withIDs("x", "y")...)
				all := s.stored(t)
				require.Len(t, all, before+2)
			})
		})
	}
}

// failing is a log whose appends answer what fail says, without effect, where it says something.
type failing struct {
	core.Log
	fail func(after core.Head, events []core.Event) error
}

func (f *failing) Append(ctx context.Context, after core.Head, events []core.Event) error {
	if err := f.fail(after, events); err != nil {
		return err
	}
	return f.Log.Append(ctx, after, events)
}

func TestUnavailableIsNotStored(t *testing.T) {
	t.Parallel()
	s := newShared()
	full := true
	s.log = &failing{s.log, func(core.Head, []core.Event) error {
		if full {
			return fmt.Errorf("%w: no space left on device", core.ErrUnavailable)
		}
		return nil
	}}
	i := s.instance(t, commands.Config{})
	_, err := i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("x")})
	var outcome *commands.OutcomeError
	require.ErrorAs(t, err, &outcome)
	require.False(t, outcome.Unknown)
	require.ErrorIs(t, err, core.ErrUnavailable)
	require.EqualValues(t, 1, i.log.Appends.Load(), "it is the caller's to try again")
	full = false
	i.publish(t, withIDs("x")...)
	require.Len(t, s.stored(t), 1)
}

// TestDoubtStays loses an answer, and then has the storage refuse: what the first append did is still
// found out, or told as unknown.
func TestDoubtStays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kept    bool
		then    error
		unknown bool
		stored  int
	}{
		"kept, then unavailable":     {true, core.ErrUnavailable, false, 1},
		"kept, then closed":          {true, core.ErrClosed, false, 1},
		"not kept, then unavailable": {false, core.ErrUnavailable, true, 0},
		"not kept, then rejected":    {false, core.ErrRejected, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShared()
				log, calls := s.log, 0
				s.log = &failing{log, func(after core.Head, events []core.Event) error {
					if calls++; calls > 1 {
						return tt.then
					}
					if tt.kept {
						require.NoError(t, log.Append(t.Context(), after, events))
					}
					return errors.New("connection reset")
				}}
				i := s.instance(t, commands.Config{})
				i.log.Script = coretest.Times(2, "Log.Head", coretest.Pass)
				_, err := i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("x")})
				require.Len(t, s.stored(t), tt.stored)
				require.Equal(t, tt.stored == 1, err == nil, "%v", err)
				var outcome *commands.OutcomeError
				if errors.As(err, &outcome) {
					require.Equal(t, tt.unknown, outcome.Unknown)
				}
			})
		})
	}
}

func TestThePoisonousFailsAlone(t *testing.T) {
	t.Parallel()
	s := newShared()
	g := newGate(&failing{s.log, func(_ core.Head, events []core.Event) error {
		for _, e := range events {
			if e.Type == "poison" {
				return fmt.Errorf("%w: no such text", core.ErrRejected)
			}
		}
		return nil
	}})
	s.log = g
	i := s.instance(t, commands.Config{})
	go func() { _, _ = i.Publish(t.Context(), "orders", commands.Request{Events: withIDs("first")}) }()
	<-g.entered
	errs := make([]error, 10)
	var publishing sync.WaitGroup
	for n := range errs {
		publishing.Go(func() {
			e := withIDs(fmt.Sprint(n))
			if n == 4 {
				e = append(e, core.Event{Type: "poison"})
			}
			_, errs[n] = i.Publish(t.Context(), "orders", commands.Request{Events: e})
		})
	}
	require.Eventually(t, func() bool { return i.Waiting("orders") == len(errs) }, patience, glance)
	close(g.open)
	publishing.Wait()
	for n, err := range errs {
		if n == 4 {
			require.ErrorIs(t, err, core.ErrRejected)
		} else {
			require.NoError(t, err)
		}
	}
	require.Len(t, s.stored(t), len(errs))
}

// TestAnotherHistory replaces a log by another one behind a publisher's back, as restoring a backup does:
// it goes on from what is there.
func TestAnotherHistory(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"shorter": 3, "as long": 10, "longer": 20, "empty": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared()
			i := s.instance(t, commands.Config{})
			for n := range 10 {
				i.publish(t, withIDs(fmt.Sprint("old-", n))...)
			}
			other := newShared()
			for n := range n {
				other.instance(t, commands.Config{}).publish(t, withIDs(fmt.Sprint("new-", n))...)
			}
			s.log = other.log
			i.log.Log = other.log
			result := i.publish(t, withIDs("next")...)
			require.EqualValues(t, n+1, result.First)
			result = i.publish(t, withIDs("old-9")...)
			require.EqualValues(t, n+2, result.First)
			require.Len(t, s.stored(t), n+2)
		})
	}
}

// TestFarBehind lets another instance append more than is remembered, again and again.
func TestFarBehind(t *testing.T) {
	t.Parallel()
	s := newShared()
	a, b := s.instance(t, commands.Config{Window: 4}), s.instance(t, commands.Config{})
	a.publish(t, withIDs("a-0")...)
	for round := range 10 {
		for n := range round {
			b.publish(t, withIDs(fmt.Sprint("b-", round, "-", n))...)
		}
		a.publish(t, withIDs(fmt.Sprint("a-", round+1))...)
		result := a.publish(t, withIDs("a-0")...)
		require.True(t, result.Repeated())
	}
	require.Len(t, s.stored(t), 1+45+10)
}
