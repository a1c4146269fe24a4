package fs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// LockDocuments takes a collection's lock as another process would.
func LockDocuments(t *testing.T, dir, collection string) (unlock func()) {
	unlock, err := newFileLock(dir, collection).take(t.Context())
	require.NoError(t, err)
	return unlock
}
