package fs_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/adapters/segment"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/faults/report"
)

// The power goes before any change that an opening or an append makes to the disk, again and again: what was acknowledged is there, what
// was not is there by whole requests or not at all, and every start goes on by itself.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	row, random := report.Begin(t, "power cut", "fs"), report.Random(t)
	lock, disk := t.TempDir(), fs.NewMemoryDisk()
	var stored []string // the lines of what was found, and of what was appended since
	for cut := range report.Times(400, 10_000) {
		if cut%200 == 0 {
			disk, stored = fs.NewMemoryDisk(), []string{} // so that the log stays small
		}
		disk, stored = cutOnce(t, row, random, disk, lock, stored)
	}
}

// cutOnce opens the log, appends, and has the power go at some change. It returns the disk as it is then, and what was read of it.
func cutOnce(t *testing.T, row *report.Row, random *rand.Rand, disk *fs.MemoryDisk, lock string, stored []string) (*fs.MemoryDisk, []string) {
	t.Helper()
	var after *fs.MemoryDisk
	changes, acknowledged := 1+random.IntN(25), len(stored)
	disk.Before = func() {
		if changes--; changes == 0 {
			after = disk.Cut(random)
		}
	}
	appended, requests, kept := stored, map[int]bool{0: true, len(stored): true}, acknowledged
	for log := openOn(t, disk, lock); after == nil; {
		head, err := log.Head(t.Context())
		require.NoError(t, err)
		sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(int(head.Position), 1+random.IntN(4)))
		appended = append(appended, lines(sealed)...)
		requests[len(appended)] = true
		require.NoError(t, log.Append(t.Context(), head, sealed))
		if after == nil {
			kept = len(appended)
		}
	}
	disk.Before = nil
	row.Inject(1)
	row.Acknowledge(kept - acknowledged)
	var found []string
	row.Recover(func() { found = coretest.Lines(t, openOn(t, after, lock), core.Query{}) })
	require.GreaterOrEqual(t, len(found), kept, "acknowledged events are lost")
	require.LessOrEqual(t, len(found), len(appended))
	require.Equal(t, appended[:len(found)], found)
	require.True(t, requests[len(found)], "a request is there in part")
	return after, found
}

func openOn(t *testing.T, disk *fs.MemoryDisk, lock string) core.Log {
	t.Helper()
	log, err := segment.Open(context.Background(), fs.OpenFilesIn(disk, lock), segment.Options{SegmentSize: 4000, Manual: true, Log: quiet.Log})
	require.NoError(t, err)
	return log
}
