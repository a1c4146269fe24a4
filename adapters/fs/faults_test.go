package fs_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/adapters/segment"
	"eventstore/core"
	"eventstore/core/coretest"
)

var quiet = segment.Options{Log: slog.New(slog.DiscardHandler)}

// faults are the errors with which the next calls of each name fail, nil for one that passes.
type faults struct {
	mu    sync.Mutex
	next  map[string][]error
	calls map[string]int
}

func (f *faults) set(next map[string][]error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.calls = next, map[string]int{}
}

func (f *faults) fault(call string) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[call]++
	if len(f.next[call]) > 0 {
		err, f.next[call] = f.next[call][0], f.next[call][1:]
	}
	return err
}

// breakable is a log in dir whose files fail as faults says.
func breakable(t *testing.T, dir string) (*segment.Log, *faults) {
	t.Helper()
	files, faulty := openFiles(t, dir), &faults{calls: map[string]int{}}
	files.Break(faulty.fault)
	log, err := segment.Open(t.Context(), files, quiet)
	require.NoError(t, err)
	return log, faulty
}

func lines(events []core.Event) (lines []string) {
	for i := range events {
		lines = append(lines, events[i].Line())
	}
	return lines
}

// tryAppend appends two events at the head without expecting success.
func tryAppend(t *testing.T, log core.Log) ([]core.Event, error) {
	t.Helper()
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(int(head.Position), 2))
	return sealed, log.Append(t.Context(), head, sealed)
}

func TestAFailedWriteOrFsyncIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]map[string][]error{
		"the disk is full in the middle of the write": {"WriteAt": {syscall.ENOSPC}},
		"the fsync fails": {"Sync": {syscall.EIO}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log, faulty := breakable(t, dir)
			want := lines(coretest.Append(t, log, coretest.Samples(0, 3)...))
			faulty.set(next)
			_, err := tryAppend(t, log)
			require.ErrorIs(t, err, core.ErrUnavailable)
			require.NotContains(t, err.Error(), dir, "the server's paths are not told")
			require.Equal(t, 1, faulty.calls["Truncate"])
			for range 2 {
				require.Equal(t, want, coretest.Lines(t, log, core.Query{}))
				require.Equal(t, want, coretest.Lines(t, openLog(t, dir, quiet), core.Query{}))
				sealed, err := tryAppend(t, log) // there is space again
				require.NoError(t, err)
				want = append(want, lines(sealed)...)
			}
			require.NoFileExists(t, filepath.Join(dir, "log", "00000000000000000001.ndjson.cut-0"))
		})
	}
}

// What can't be taken back is of unknown outcome. Nothing more is written, nor read of it, until it
// was written again and made durable.
func TestAnAppendThatCanNotBeTakenBack(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]map[string][]error{
		"the write fails":                 {"WriteAt": {syscall.EIO, syscall.EIO, syscall.EIO, syscall.EIO}, "Truncate": {syscall.EIO}},
		"the fsync fails":                 {"Sync": {syscall.EIO, syscall.EIO, syscall.EIO, syscall.EIO}, "Truncate": {syscall.EIO}},
		"the fsync of the truncation too": {"Sync": {syscall.EIO, syscall.EIO, syscall.EIO, syscall.EIO, syscall.EIO}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log, faulty := breakable(t, dir)
			want := lines(coretest.Append(t, log, coretest.Samples(0, 3)...))
			faulty.set(next)
			sealed, err := tryAppend(t, log)
			require.Error(t, err)
			for _, known := range []error{core.ErrUnavailable, core.ErrConflict, core.ErrRejected} {
				require.NotErrorIs(t, err, known, "the outcome is not known")
			}
			if name == "the fsync of the truncation too" {
				require.Equal(t, want, coretest.Lines(t, log, core.Query{}), "it is gone, though perhaps not for good")
			} else {
				_, err = log.Head(t.Context())
				require.ErrorIs(t, err, core.ErrUnavailable, "it is not served before it is durable")
			}
			faulty.set(nil)
			got := coretest.Lines(t, log, core.Query{})
			if name == "the fsync fails" {
				require.Positive(t, faulty.calls["WriteAt"], "an fsync alone would not tell")
				want = append(want, lines(sealed)...)
			}
			require.Equal(t, want, got)
			again, err := tryAppend(t, log)
			require.NoError(t, err)
			want = append(want, lines(again)...)
			require.Equal(t, want, coretest.Lines(t, log, core.Query{}))
			require.Equal(t, want, coretest.Lines(t, openLog(t, dir, quiet), core.Query{}))
		})
	}
}

// What another process wrote, and may not have lived to fsync, is fsynced before it is served.
func TestAnEndThatAnotherWroteIsFsyncedBeforeItIsServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writer := openLog(t, dir, quiet)
	reader, faulty := breakable(t, dir)
	want := lines(coretest.Append(t, writer, coretest.Samples(0, 3)...))
	faulty.set(map[string][]error{"Sync": {syscall.EIO}})
	_, err := reader.Head(t.Context())
	require.ErrorIs(t, err, core.ErrUnavailable, "it can't be fsynced, so it is not served")
	faulty.set(nil)
	require.Equal(t, want, coretest.Lines(t, reader, core.Query{}))
	require.Equal(t, 1, faulty.calls["Sync"])
	require.Equal(t, want, coretest.Lines(t, reader, core.Query{}))
	require.Equal(t, 1, faulty.calls["Sync"], "once")
	require.Zero(t, faulty.calls["WriteAt"])
}

func TestAWarmAppendIsOneWriteAndOneFsync(t *testing.T) {
	t.Parallel()
	log, faulty := breakable(t, t.TempDir())
	head := coretest.Append(t, log, coretest.Samples(0, 3)...)[2].Head()
	faulty.set(nil)
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(3, 5))
	require.NoError(t, log.Append(t.Context(), head, sealed))
	require.Equal(t, map[string]int{"WriteAt": 1, "Sync": 1}, faulty.calls)
}

// A directory that was taken away is not written to any more, though its files are open.
func TestALogThatWasTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := openLog(t, dir, quiet)
	head := coretest.Append(t, log, coretest.Samples(0, 3)...)[2].Head()
	require.NoError(t, os.Rename(filepath.Join(dir, "log"), filepath.Join(dir, "away")))
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(3, 1))
	err := log.Append(t.Context(), head, sealed)
	require.ErrorIs(t, err, core.ErrCorrupt)
	require.NoError(t, os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "log")))
	require.NoError(t, log.Append(t.Context(), head, sealed))
}

func TestMoreFilesThanAreKeptOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	options := segment.Options{SegmentSize: 1, Log: quiet.Log}
	log := openLog(t, dir, options)
	var want []string
	for i := range 50 {
		want = append(want, lines(coretest.Append(t, log, coretest.Sample(i)))...)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 3 {
				got := []string{}
				for e, err := range log.Read(t.Context(), core.Query{}) {
					if err != nil {
						t.Error(err)
					}
					got = append(got, e.Line())
				}
				if fmt.Sprint(want) != fmt.Sprint(got) {
					t.Error("something else was read")
				}
			}
		})
	}
	readers.Wait()
	require.NoError(t, log.Close())
}

const writerDir = "TEST_LOG_WRITER_DIR"

// Several processes publish to one log, one of them killed on the way: positions are dense, and
// what was acknowledged is there once.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openLog(t, dir, quiet)
	var writers sync.WaitGroup
	acknowledged := make([][]byte, 4)
	for w := range acknowledged {
		writers.Go(func() { acknowledged[w] = runWriter(t, dir, w) })
	}
	writers.Wait()
	log := openLog(t, dir, quiet)
	there := map[string]bool{}
	chain, position := core.NewChain(core.Hash{}), core.Position(0)
	for e, err := range log.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		require.NoError(t, chain.NextEvent(&e))
		require.Equal(t, position+1, e.Position)
		require.False(t, there[e.ID], "%s is there twice", e.ID)
		position, there[e.ID] = e.Position, true
	}
	for w, out := range acknowledged {
		n := 0
		for len(out) > 0 {
			var id string
			_, err := fmt.Sscanln(string(out), &id)
			require.NoError(t, err)
			require.True(t, there[id], "%s was acknowledged", id)
			out = out[len(id)+1:]
			n++
		}
		require.Positive(t, n, "writer %d", w)
	}
}

// runWriter runs a process that appends, and returns the ids it printed once they were
// acknowledged. The first writer is killed after 50.
func runWriter(t *testing.T, dir string, w int) []byte {
	command := exec.Command(os.Args[0], "-test.run=^TestWriterProcess$")
	command.Env = append(os.Environ(), writerDir+"="+dir, fmt.Sprintf("TEST_LOG_WRITER=%d", w))
	out, err := command.StdoutPipe()
	if err != nil || command.Start() != nil {
		t.Error("can't start a writer", err)
		return nil
	}
	var all []byte
	for p := make([]byte, 4096); ; {
		n, err := out.Read(p)
		all = append(all, p[:n]...)
		if w == 0 && len(all) > 500 {
			command.Process.Kill()
		}
		if err != nil {
			if err := command.Wait(); err != nil && w > 0 {
				t.Error(err)
			}
			return all[:lastLine(all)]
		}
	}
}

// lastLine is where the last whole line of ids ends.
func lastLine(out []byte) int {
	for n := len(out); n > 0; n-- {
		if out[n-1] == '\n' {
			return n
		}
	}
	return 0
}

func TestWriterProcess(t *testing.T) {
	dir := os.Getenv(writerDir)
	if dir == "" {
		return // the other half of TestSeveralProcesses
	}
	files, err := fs.OpenFiles(dir)
	require.NoError(t, err)
	log, err := segment.Open(t.Context(), files, segment.Options{SegmentSize: 20_000, Log: quiet.Log})
	require.NoError(t, err)
	for i := 0; i < 150; {
		head, err := log.Head(t.Context())
		require.NoError(t, err)
		e := coretest.Sample(i)
		e.ID = fmt.Sprintf("w%s-%d", os.Getenv("TEST_LOG_WRITER"), i)
		sealed, _ := core.Seal(head, coretest.Start, []core.Event{e})
		err = log.Append(t.Context(), head, sealed)
		if errors.Is(err, core.ErrConflict) {
			continue
		}
		require.NoError(t, err)
		_, err = io.WriteString(os.Stdout, e.ID+"\n")
		require.NoError(t, err)
		i++
	}
	require.NoError(t, log.Close())
	os.Exit(0) // without a test's own output
}
