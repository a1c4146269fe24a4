package fs_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

func openFiles(t *testing.T, dir string) *fs.Files {
	t.Helper()
	files, err := fs.OpenFiles(dir)
	require.NoError(t, err)
	t.Cleanup(func() { files.Close() })
	return files
}

func openLog(t *testing.T, dir string, options segment.Options) *segment.Log {
	t.Helper()
	log, err := segment.Open(t.Context(), openFiles(t, dir), options)
	require.NoError(t, err)
	return log
}

func TestFiles(t *testing.T) {
	segmenttest.TestFiles(t, func(t *testing.T) segmenttest.OpenFiles {
		dir := t.TempDir()
		return func() segment.Files { return openFiles(t, dir) }
	})
}

func TestLog(t *testing.T) {
	for name, options := range map[string]segment.Options{"as it is": {}, "with tiny segments": {SegmentSize: 3000}} {
		t.Run(name, func(t *testing.T) {
			empty := func(t *testing.T) coretest.OpenLog {
				dir := t.TempDir()
				return func() core.Log { return openLog(t, dir, options) }
			}
			coretest.TestLog(t, empty)
			coretest.TestLineReader(t, empty)
			coretest.TestCloser(t, empty)
		})
	}
}

func TestWhatACrashLeftOfAFileIsSweptAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, openFiles(t, dir).Put(t.Context(), "index/a", []byte("a")))
	old, young := filepath.Join(dir, "tmp", "old"), filepath.Join(dir, "tmp", "young")
	for _, left := range []string{old, young} {
		require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	}
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)))
	files := openFiles(t, dir)
	require.NoFileExists(t, old)
	require.FileExists(t, young)
	for info, err := range files.List(t.Context(), "", "") {
		require.NoError(t, err)
		require.Equal(t, "index/a", info.Name)
	}
}
