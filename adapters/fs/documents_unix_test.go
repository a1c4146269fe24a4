//go:build unix

package fs_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

const fullDir = "TEST_DOCUMENTS_FULL_DIR"

// A write that the file system takes in part only is taken back: the documents are as they
// were, and writing goes on when there is room. A limit on the size of files stands for
// the full disk.
func TestDocumentsWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	command := exec.Command(os.Args[0], "-test.run=^TestDocumentsWithoutRoomProcess$", "-test.v")
	dir := t.TempDir()
	command.Env = append(os.Environ(), fullDir+"="+dir)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "met the limit")
	requireValues(t, openDocuments(t, dir), map[string]string{"a": "changed", "b": "value of b", "new": "fits"})
	require.Equal(t, []string{"collection.c"}, names(t, dir))
}

func TestDocumentsWithoutRoomProcess(t *testing.T) {
	dir := os.Getenv(fullDir)
	if dir == "" {
		return
	}
	store(t, dir, "a", "b")
	d := openDocuments(t, dir)
	a, err := d.Get(t.Context(), "c", "a")
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "collection.c"))
	require.NoError(t, err)
	limit(t, uint64(info.Size())+400)
	for _, key := range []string{"a", "new"} {
		expect := map[string]string{"a": a.Version}[key]
		versions, err := d.Write(t.Context(), core.Write{Collection: "c", Key: key, Value: []byte(strings.Repeat("x", 1000)), Expect: expect})
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.ErrorIs(t, err, syscall.EFBIG)
		require.Equal(t, []string{""}, versions)
		requireValues(t, d, map[string]string{"a": "value of a", "b": "value of b"})
	}
	_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "new", Value: []byte("fits")})
	require.NoError(t, err)
	_, err = d.Write(t.Context(), core.Write{Collection: "other", Key: "long", Value: []byte(strings.Repeat("x", 1<<20))})
	require.ErrorIs(t, err, core.ErrUnavailable)
	_, err = d.Get(t.Context(), "other", "long")
	require.ErrorIs(t, err, core.ErrNotFound)
	limit(t, math.MaxUint64)
	_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "a", Value: []byte("changed"), Expect: a.Version})
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "collection.other")))
	fmt.Println("met the limit")
}

// limit is the most bytes that a file of this process may have.
func limit(t *testing.T, bytes uint64) {
	signal.Ignore(syscall.SIGXFSZ)
	rlimit := syscall.Rlimit{}
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &rlimit))
	rlimit.Cur = bytes
	if bytes > uint64(rlimit.Max) {
		rlimit.Cur = rlimit.Max
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &rlimit))
}
