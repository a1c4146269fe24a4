package coretest

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

// TestCloser holds a Log that is a core.Closer against what that port promises. empty
// gives each test a log of its own, without events.
func TestCloser(t *testing.T, empty func(t *testing.T) OpenLog) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, OpenLog)
	}{
		{"a closed log takes no more, and stays readable", closed},
		{"an empty log can be closed", closedEmpty},
		{"closing at another head conflicts and closes nothing", closeConflict},
		{"of appends and a closing that race, none is kept behind the closing", closeRace},
	} {
		t.Run(tt.name, func(t *testing.T) { t.Parallel(); tt.test(t, empty(t)) })
	}
}

func closeLog(t *testing.T, log core.Log, after core.Head) error {
	t.Helper()
	closer, ok := log.(core.Closer)
	require.True(t, ok, "%T can't be closed", log)
	return closer.CloseLog(t.Context(), after)
}

func requireClosed(t *testing.T, log core.Log, head core.Head) {
	t.Helper()
	sealed, _ := core.Seal(head, Start, Samples(900, 2))
	require.ErrorIs(t, log.Append(t.Context(), head, sealed), core.ErrClosed)
	now, err := log.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, now)
}

func closed(t *testing.T, open OpenLog) {
	a, b := open(), open()
	want := Append(t, a, Samples(0, 5)...)
	head := want[4].Head()
	_, err := b.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, closeLog(t, a, head))
	require.NoError(t, closeLog(t, a, head), "closing again")
	for _, log := range []core.Log{a, b, open()} {
		requireClosed(t, log, head)
		require.NoError(t, closeLog(t, log, head))
		require.Equal(t, linesOf(want), Lines(t, log, core.Query{}))
		require.Equal(t, linesOf(want[3:]), Lines(t, log, core.Query{From: 4}))
		found, err := log.Find(t.Context(), []string{"id-2"})
		require.NoError(t, err)
		require.Equal(t, map[string]core.Position{"id-2": 3}, found)
	}
}

func closedEmpty(t *testing.T, open OpenLog) {
	require.NoError(t, closeLog(t, open(), core.Head{}))
	requireClosed(t, open(), core.Head{})
}

func closeConflict(t *testing.T, open OpenLog) {
	log := open()
	events := Append(t, log, Samples(0, 3)...)
	wrongHash := events[2].Head()
	wrongHash.Hash[5] ^= 1
	for _, after := range []core.Head{{}, events[1].Head(), wrongHash} {
		require.ErrorIs(t, closeLog(t, log, after), core.ErrConflict)
	}
	Append(t, log, Sample(9))
}

func closeRace(t *testing.T, open OpenLog) {
	logs := []core.Log{open(), open(), open()}
	Append(t, logs[0], Sample(0))
	var writers sync.WaitGroup
	for w, log := range logs[:2] {
		writers.Go(func() {
			for i := 1; ; i++ {
				if !appendUntilClosed(t, log, Sample(w*10_000+i)) {
					return
				}
			}
		})
	}
	closing := logs[2]
	var head core.Head
	for {
		var err error
		head, err = closing.Head(t.Context())
		require.NoError(t, err)
		if head.Position > 20 {
			if err = closeLog(t, closing, head); err == nil {
				break
			}
			require.ErrorIs(t, err, core.ErrConflict)
		}
	}
	writers.Wait()
	requireClosed(t, open(), head)
	requireChain(t, open(), int(head.Position))
}

// appendUntilClosed tries one append, and reports whether the log is still open.
func appendUntilClosed(t *testing.T, log core.Log, e core.Event) bool {
	head, err := log.Head(t.Context())
	if err == nil {
		sealed, _ := core.Seal(head, Start, []core.Event{e})
		err = log.Append(t.Context(), head, sealed)
	}
	return err == nil || isAny(t, err, core.ErrConflict, core.ErrClosed) == core.ErrConflict
}

// isAny is the first of targets that err is; another error fails the test.
func isAny(t *testing.T, err error, targets ...error) error {
	for _, target := range targets {
		if errors.Is(err, target) {
			return target
		}
	}
	t.Errorf("got %v", err)
	return nil
}
