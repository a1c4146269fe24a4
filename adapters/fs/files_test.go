package fs_test

import (
	"testing"

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
			coretest.TestCloser(t, empty)
		})
	}
}
