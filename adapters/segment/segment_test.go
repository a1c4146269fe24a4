package segment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

func open(t *testing.T, files segment.Files, options segment.Options) *segment.Log {
	t.Helper()
	log, err := segment.Open(t.Context(), files, options)
	require.NoError(t, err)
	return log
}

// small are options under which segments roll all the time and reads are split everywhere.
var small = segment.Options{SegmentSize: 3000, ReadSize: 5000, MaxAppends: 4}

func TestLog(t *testing.T) {
	for name, options := range map[string]segment.Options{"as it is": {}, "with tiny segments and reads": small} {
		t.Run(name, func(t *testing.T) {
			empty := func(t *testing.T) coretest.OpenLog {
				files := segmenttest.NewMemory()
				return func() core.Log { return open(t, files, options) }
			}
			coretest.TestLog(t, empty)
			coretest.TestLineReader(t, empty)
			coretest.TestCloser(t, empty)
		})
	}
}
