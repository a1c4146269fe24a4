package segmenttest_test

import (
	"testing"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
)

func TestMemory(t *testing.T) {
	segmenttest.TestFiles(t, func(*testing.T) segmenttest.OpenFiles {
		files := segmenttest.NewMemory()
		return func() segment.Files { return files }
	})
}
