package memory_test

import (
	"testing"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
)

func TestLog(t *testing.T) {
	coretest.TestLog(t, emptyLog)
}

func TestCloser(t *testing.T) {
	coretest.TestCloser(t, emptyLog)
}

func emptyLog(*testing.T) coretest.OpenLog {
	log := new(memory.Log)
	return func() core.Log { return log }
}

func TestDocuments(t *testing.T) {
	coretest.TestDocuments(t, func(*testing.T) coretest.OpenDocuments {
		documents := new(memory.Documents)
		return func() core.Documents { return documents }
	})
}
