package segment_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

var errInjected = errors.New("injected failure")

var quiet = slog.New(slog.DiscardHandler)

// tryRequest appends a request behind the log's head until it is acknowledged or found, as a
// publisher does, and returns its lines.
func tryRequest(t *testing.T, log *segment.Log, from, n int) (lines []string) {
	t.Helper()
	for try := 0; ; try++ {
		require.Less(t, try, 50, "the append never succeeds")
		head, err := log.Head(t.Context())
		if err != nil {
			continue
		}
		sealed, end := core.Seal(head, coretest.Start, coretest.Samples(from, n))
		err = log.Append(t.Context(), head, sealed)
		if err != nil && !kept(t, log, err, end) {
			continue
		}
		for _, e := range sealed {
			lines = append(lines, e.Line())
		}
		return lines
	}
}

// kept finds out whether an append was kept whose error was err.
func kept(t *testing.T, log *segment.Log, err error, end core.Head) bool {
	t.Helper()
	for range 50 {
		now, headErr := log.Head(t.Context())
		if headErr != nil {
			continue
		}
		is := now.Position >= end.Position && now.Hash == end.Hash
		for _, nothing := range []error{core.ErrConflict, core.ErrUnavailable, core.ErrRejected} {
			if errors.Is(err, nothing) {
				require.False(t, is, "%v, but it was kept", err)
			}
		}
		return is
	}
	require.Fail(t, "the outcome can't be found out")
	return false
}

// Each call fails in turn, before its effect, after it and in its middle: nothing that was
// acknowledged is lost, nothing is there twice, and every next step works.
func TestACallThatFailsHarmsNothing(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Append", "ReadAt", "Create", "Cut", "Put", "Remove"} {
		for _, keep := range []segmenttest.Keep{segmenttest.Nothing, segmenttest.Everything, segmenttest.Half} {
			for _, cause := range []error{errInjected, core.ErrUnavailable} {
				if keep != segmenttest.Nothing && errors.Is(cause, core.ErrUnavailable) || keep == segmenttest.Half && call != "Append" {
					continue // says that nothing was done; only an append can be done in part
				}
				t.Run(fmt.Sprintf("%s keeping %d, %v", call, keep, cause), func(t *testing.T) {
					t.Parallel()
					for nth := range 8 {
						failing(t, call, nth, segmenttest.Fault{Err: cause, Keep: keep})
					}
				})
			}
		}
	}
}

// failing runs a log whose nth such call fails, and the one after, too.
func failing(t *testing.T, call string, nth int, fault segmenttest.Fault) {
	t.Helper()
	files := segmenttest.NewMemory()
	options := segment.Options{SegmentSize: 2000, ReadSize: 1000, Log: quiet, Manual: true}
	log := open(t, files, options)
	want := tryRequest(t, log, 0, 2)
	count, appends := 0, 0
	files.Script(func(c, _ string) segmenttest.Fault {
		if call == "Cut" && c == "Append" {
			if appends++; appends%3 == 0 { // so that there is something to cut
				return segmenttest.Fault{Err: errInjected, Keep: segmenttest.Half}
			}
		}
		if c != call {
			return segmenttest.Fault{}
		}
		if count++; count == nth+1 || count == nth+2 {
			return fault
		}
		return segmenttest.Fault{}
	})
	for i := range 10 {
		want = append(want, tryRequest(t, log, 100*i+10, 1+i%3)...)
		_ = log.Maintain(t.Context())
		if i == 5 {
			if reopened, err := segment.Open(t.Context(), files, options); err == nil {
				log = reopened
			}
		}
	}
	files.Script(nil)
	require.Greater(t, count, map[string]int{"Append": nth, "ReadAt": nth, "Put": nth}[call], "the fault was met")
	require.NoError(t, log.Maintain(t.Context()))
	for _, handle := range []core.Log{log, open(t, files, options)} {
		require.Equal(t, want, coretest.Lines(t, handle, core.Query{}))
	}
}

// Any call may fail at any time, in several handles at once.
func TestRandomFailuresOfSeveralHandles(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	options := segment.Options{SegmentSize: 3000, ReadSize: 2000, Log: quiet}
	var logs []*segment.Log
	for range 3 {
		logs = append(logs, open(t, files, options))
	}
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(7, 7))
	files.Script(func(string, string) segmenttest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(12) > 0 {
			return segmenttest.Fault{}
		}
		return segmenttest.Fault{Err: errInjected, Keep: segmenttest.Keep(random.IntN(2))}
	})
	var all []string
	var writers sync.WaitGroup
	for w, log := range logs {
		writers.Go(func() {
			for i := range 40 {
				lines := tryRequest(t, log, w*10_000+i*10, 1+i%4)
				mu.Lock()
				all = append(all, lines...)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	files.Script(nil)
	for _, log := range logs {
		require.NoError(t, log.Close())
	}
	got := coretest.Lines(t, open(t, files, options), core.Query{})
	require.ElementsMatch(t, all, got)
}

// An append whose outcome is unknown and that was kept conflicts with the next one behind the same
// head, whether or not anybody asked for the head in between.
func TestAnAppendThatWasKeptUnknownConflictsWithTheNext(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{SegmentSize: 1, Manual: true})
	head := core.Head{}
	for i := range 4 {
		sealed, next := core.Seal(head, coretest.Start, coretest.Samples(i, 1))
		files.Script(segmenttest.Once("Append", segmenttest.Fault{Err: errInjected, Keep: segmenttest.Everything}))
		err := log.Append(t.Context(), head, sealed) // of the closing line, from the second on
		if i == 0 {
			require.ErrorIs(t, err, errInjected)
			require.ErrorIs(t, log.Append(t.Context(), head, sealed), core.ErrConflict)
		} else {
			require.ErrorIs(t, err, core.ErrUnavailable)
			require.NoError(t, log.Append(t.Context(), head, sealed))
		}
		head = next
	}
	require.Len(t, coretest.Lines(t, log, core.Query{}), 4)
}

// A process ends between the closing line and the next segment: whoever opens the log, or has
// it open, begins the segment.
func TestACrashBetweenTheClosingLineAndTheNextSegment(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	options := segment.Options{SegmentSize: 1000, Manual: true, Log: quiet}
	log, asleep := open(t, files, options), open(t, files, options)
	want := requests(t, log, 2)
	files.Script(func(call, name string) segmenttest.Fault {
		if call == "Create" {
			return segmenttest.Fault{Err: errInjected}
		}
		return segmenttest.Fault{}
	})
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(2, 2))
	require.ErrorIs(t, log.Append(t.Context(), head, sealed), core.ErrUnavailable, "nothing of it was stored")
	require.Equal(t, []string{"log.json", firstSegment}, files.Names())
	files.Script(nil)
	crashed := files.Copy()
	require.Equal(t, want, coretest.Lines(t, asleep, core.Query{}))
	require.Equal(t, []string{"log.json", firstSegment, name(3)}, files.Names(), "who sees the closing line begins the segment")
	reopened := open(t, crashed, options)
	require.Equal(t, want, coretest.Lines(t, reopened, core.Query{}))
	want = append(want, requests(t, reopened, 1)...)
	require.Equal(t, want, coretest.Lines(t, open(t, crashed, options), core.Query{}))
}

func TestAWriterThatSleptAcrossRollsConflicts(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	options := segment.Options{SegmentSize: 1, Log: quiet}
	asleep, awake := open(t, files, options), open(t, files, options)
	want := requests(t, asleep, 1)
	head, err := asleep.Head(t.Context())
	require.NoError(t, err)
	want = append(want, requests(t, awake, 1, 1, 1)...)
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(50, 1))
	require.ErrorIs(t, asleep.Append(t.Context(), head, sealed), core.ErrConflict)
	require.Equal(t, want, coretest.Lines(t, asleep, core.Query{}))
	want = append(want, requests(t, asleep, 1)...)
	require.Equal(t, want, coretest.Lines(t, awake, core.Query{}))
}

func TestHundredsOfRollsUnderSeveralHandles(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	options := segment.Options{SegmentSize: 700, MaxAppends: 2, ReadSize: 2000, Log: quiet}
	var writers sync.WaitGroup
	for w := range 4 {
		log := open(t, files, options)
		writers.Go(func() {
			for i := range 100 {
				tryRequest(t, log, w*10_000+i*10, 1+i%2)
			}
			require.NoError(t, log.Close())
		})
	}
	writers.Wait()
	log := open(t, files, options)
	events, segments := coretest.Lines(t, log, core.Query{}), 0
	for range files.List(t.Context(), "log/", "") {
		segments++
	}
	require.Len(t, events, 4*150)
	require.Greater(t, segments, 200)
	found, err := log.Find(t.Context(), []string{"id-0", "id-30990", "id-1", "absent"})
	require.NoError(t, err)
	require.Len(t, found, 2)
}

// What an append and an opening cost is the bill.
func TestWhatAnAppendAndAnOpeningCost(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	options := segment.Options{Manual: true}
	log := open(t, files, options)
	files.Calls()
	requestBehind(t, log, 1)
	require.Equal(t, map[string]int{"Append": 1}, files.Calls(), "a warm append")
	cold := open(t, files, options)
	require.Equal(t, map[string]int{"ReadAt": 3}, files.Calls(), "opening a log that is one segment")
	requestBehind(t, cold, 2)
	require.Equal(t, map[string]int{"Append": 1}, files.Calls())

	rolling := segmenttest.NewMemory()
	requests(t, open(t, rolling, segment.Options{SegmentSize: 900, Manual: true}), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	require.NoError(t, open(t, rolling, options).Maintain(t.Context()))
	rolling.Calls()
	cold = open(t, rolling, options)
	require.Equal(t, map[string]int{"ReadAt": 3}, rolling.Calls(), "opening a log of many segments")
	_, err := cold.Find(t.Context(), []string{"absent"})
	require.NoError(t, err)
	require.LessOrEqual(t, rolling.Calls()["ReadAt"], 1+2, "looking whether anything is new, and in each run")
	_, err = cold.Find(t.Context(), []string{"id-1"})
	require.NoError(t, err)
	require.LessOrEqual(t, rolling.Calls()["ReadAt"], 1+2+1, "and reading the line")
}

// requestBehind appends a request of one event behind n others, without asking for the head.
func requestBehind(t *testing.T, log *segment.Log, n int) {
	t.Helper()
	var head core.Head
	for i := range n - 1 {
		_, head = core.Seal(head, coretest.Start, coretest.Samples(i, 1))
	}
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(n-1, 1))
	require.NoError(t, log.Append(t.Context(), head, sealed))
}
