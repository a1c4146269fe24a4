package fs_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/core"
	"eventstore/core/coretest"
)

func TestDocuments(t *testing.T) {
	coretest.TestDocuments(t, func(t *testing.T) coretest.OpenDocuments {
		dir := filepath.Join(t.TempDir(), "not", "there yet")
		return func() core.Documents { return openDocuments(t, dir) }
	})
}

func openDocuments(t *testing.T, dir string) *fs.Documents {
	t.Helper()
	d, err := fs.OpenDocuments(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// store puts keys with a value of their name, in one call each, and tells the file's size
// after each.
func store(t *testing.T, dir string, keys ...string) (sizes []int64) {
	t.Helper()
	d := openDocuments(t, dir)
	for _, key := range keys {
		_, err := d.Write(t.Context(), core.Write{Collection: "c", Key: key, Value: []byte("value of " + key)})
		require.NoError(t, err)
		info, err := os.Stat(filepath.Join(dir, "collection.c"))
		require.NoError(t, err)
		sizes = append(sizes, info.Size())
	}
	return sizes
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := []string{}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "lock.") {
			all = append(all, entry.Name())
		}
	}
	return all
}

func TestDocumentsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDocuments(t, dir)
	versions, err := d.Write(t.Context(), core.Write{Collection: "Orders", Key: "order-1", Value: []byte(`{"total":19.5}`)},
		core.Write{Collection: "Orders", Key: "order/2", Value: []byte{}})
	require.NoError(t, err)
	_, err = d.Write(t.Context(), core.Write{Collection: "Orders", Key: "order/2", Expect: versions[1]})
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "collection.%4Frders"))
	require.NoError(t, err)
	require.Regexp(t, `^\{"format":"documents 1","end":"0{17}[0-9]{3}"\}
\{"length":"0{17}[0-9]{3}","crc32c":"[0-9a-f]{8}"\}
\{"key":"order-1","version":"[A-Z2-7]{26}","length":14,"crc32c":"[0-9a-f]{8}"\}
\{"total":19.5\}
\{"key":"order/2","version":"[A-Z2-7]{26}","length":0,"crc32c":"00000000"\}

\{"length":"0{18}33","crc32c":"[0-9a-f]{8}"\}
\{"key":"order/2","deleted":true\}
$`, string(got))
	require.Contains(t, string(got), fmt.Sprintf(`"end":"%020d"`, len(got)))
}

func TestDocumentsWithoutAnyLeaveNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := openDocuments(t, dir), openDocuments(t, dir)
	for range 3 {
		versions, err := a.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("v")})
		require.NoError(t, err)
		_, err = b.Get(t.Context(), "c", "k")
		require.NoError(t, err)
		_, err = b.Write(t.Context(), core.Write{Collection: "c", Key: "k", Expect: versions[0]})
		require.NoError(t, err)
		require.Empty(t, names(t, dir))
		_, err = a.Get(t.Context(), "c", "k")
		require.ErrorIs(t, err, core.ErrNotFound)
	}
}

// A crash leaves any part of the last batch; what went before stays, and the store goes
// on by itself.
func TestDocumentsCutAtEveryByte(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	sizes := store(t, from, "a", "b", "c")
	whole, err := os.ReadFile(filepath.Join(from, "collection.c"))
	require.NoError(t, err)
	for cut := sizes[1]; cut < sizes[2]; cut++ {
		dir := t.TempDir()
		torn := strings.Replace(string(whole[:cut]), fmt.Sprintf("%020d", sizes[2]), fmt.Sprintf("%020d", sizes[1]), 1)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "collection.c"), []byte(torn), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "new.collection.c"), []byte("half of a file"), 0o600))
		d := openDocuments(t, dir)
		_, err := d.Get(t.Context(), "c", "c")
		require.ErrorIs(t, err, core.ErrNotFound)
		_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "c", Value: []byte("again")})
		require.NoError(t, err)
		requireValues(t, openDocuments(t, dir), map[string]string{"a": "value of a", "b": "value of b", "c": "again"})
		want := []string{"collection.c"}
		if cut > sizes[1] {
			want = append(want, fmt.Sprintf("cut.collection.c.%d", sizes[1]))
		}
		require.Equal(t, want, names(t, dir))
	}
}

func requireValues(t *testing.T, d core.Documents, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for document, err := range d.List(t.Context(), "c", core.ListQuery{}) {
		require.NoError(t, err)
		got[document.Key] = string(document.Value)
	}
	require.Equal(t, want, got)
}

// What was acknowledged is found to be missing, wherever it is missing from.
func TestDocumentsShorterThanAcknowledged(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	sizes := store(t, from, "a", "b")
	whole, err := os.ReadFile(filepath.Join(from, "collection.c"))
	require.NoError(t, err)
	dir := t.TempDir()
	for cut := range sizes[1] {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "collection.c"), whole[:cut], 0o600))
		requireCorrupt(t, dir, fmt.Sprintf("%d bytes", cut))
	}
}

func TestDocumentsWithAFlippedBit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sizes := store(t, dir, "a", "b")
	file := filepath.Join(dir, "collection.c")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for place := range sizes[1] {
		bit := place*8 + place%8
		flipped := []byte(string(whole))
		flipped[bit/8] ^= 1 << (bit % 8)
		require.NoError(t, os.WriteFile(file, flipped, 0o600))
		if bit/8 < int64(len(`{"format":"documents 1","end":"00000000000000000000"}`)) {
			requireFoundOrIgnored(t, dir, bit)
			continue
		}
		requireCorrupt(t, dir, fmt.Sprintf("bit %d", bit))
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Len(t, after, len(whole), "nothing is cut away")
}

func requireCorrupt(t *testing.T, dir, what string) {
	t.Helper()
	d, err := fs.OpenDocuments(dir)
	require.NoError(t, err)
	defer d.Close()
	for _, key := range []string{"a", "b", "absent"} {
		_, err := d.Get(t.Context(), "c", key)
		require.ErrorIs(t, err, core.ErrCorrupt, "%s: %s", what, key)
		require.ErrorContains(t, err, "collection.c, byte ")
		_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: key, Value: []byte("x")})
		require.ErrorIs(t, err, core.ErrCorrupt, "%s: %s", what, key)
	}
}

// requireFoundOrIgnored: a bit of the first line says that the file was durable to less far
// than it is, which changes nothing, or is found.
func requireFoundOrIgnored(t *testing.T, dir string, bit int64) {
	t.Helper()
	d, err := fs.OpenDocuments(dir)
	require.NoError(t, err)
	defer d.Close()
	for _, key := range []string{"a", "b"} {
		got, err := d.Get(t.Context(), "c", key)
		if err == nil {
			require.Equal(t, "value of "+key, string(got.Value), "bit %d", bit)
			continue
		}
		require.ErrorIs(t, err, core.ErrCorrupt, "bit %d", bit)
	}
}

// A value that rots while the store is open is found when it is read.
func TestDocumentsRotBehindAnOpenHandle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store(t, dir, "a", "b")
	d := openDocuments(t, dir)
	requireValues(t, d, map[string]string{"a": "value of a", "b": "value of b"})
	file := filepath.Join(dir, "collection.c")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(whole), "value of b", "value of x", 1)), 0o600))
	_, err = d.Get(t.Context(), "c", "a")
	require.NoError(t, err)
	_, err = d.Get(t.Context(), "c", "b")
	require.ErrorIs(t, err, core.ErrCorrupt)
	require.ErrorContains(t, err, `document "b"`)
}

// A file that is mostly out of date is written anew, and other handles follow.
func TestDocumentsAreWrittenAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := openDocuments(t, dir), openDocuments(t, dir)
	long := strings.Repeat("v", 1<<20)
	want := map[string]string{}
	versions := map[string]string{}
	for round := range 20 {
		for _, key := range []string{"x", "y"} {
			want[key] = fmt.Sprint(round, key, long)
			got, err := a.Write(t.Context(), core.Write{Collection: "c", Key: key, Value: []byte(want[key]), Expect: versions[key]})
			require.NoError(t, err)
			versions[key] = got[0]
			a, b = b, a
		}
		info, err := os.Stat(filepath.Join(dir, "collection.c"))
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(9<<20))
	}
	requireValues(t, a, want)
	requireValues(t, b, want)
	require.Equal(t, []string{"collection.c"}, names(t, dir))
}

// A projection's run: 10,000 documents a call, put and changed.
func TestDocumentsManyOfOneCall(t *testing.T) {
	t.Parallel()
	d := openDocuments(t, t.TempDir())
	writes := make([]core.Write, 10_000)
	for i := range writes {
		writes[i] = core.Write{Collection: "c", Key: fmt.Sprint("order-", i), Value: []byte(strings.Repeat("x", 300))}
	}
	began := time.Now()
	for range 3 {
		versions, err := d.Write(t.Context(), writes...)
		require.NoError(t, err)
		for i := range writes {
			writes[i].Expect = versions[i]
		}
	}
	t.Logf("3 × 10,000 documents in %v", time.Since(began))
}

func TestDocumentsWaitForTheLockAsLongAsTheCaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store(t, dir, "a")
	d := openDocuments(t, dir)
	unlock := fs.LockDocuments(t, dir, "c")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 2 {
		_, err := d.Write(ctx, core.Write{Collection: "c", Key: "k", Value: []byte("v")})
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	unlock()
	_, err := d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("v")})
	require.NoError(t, err)
}

func TestDocumentsWhereNoneCanBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := fs.OpenDocuments(dir)
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.NotContains(t, err.Error(), dir)
	}
}

const countingDir = "TEST_DOCUMENTS_COUNTING_DIR"

// TestDocumentsCountingProcess is what the processes of the next test run.
func TestDocumentsCountingProcess(t *testing.T) {
	dir := os.Getenv(countingDir)
	if dir == "" {
		return
	}
	d := openDocuments(t, dir)
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), i)
		for {
			was, err := d.Get(t.Context(), "c", "n")
			require.NoError(t, err)
			value := fmt.Appendf(was.Value, "%s\n", id)
			if _, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "n", Value: value, Expect: was.Version}); err == nil {
				break
			}
			require.ErrorIs(t, err, core.ErrConflict)
		}
		fmt.Println("acknowledged", id)
	}
}

// Four processes add to one document and are killed in the middle: whatever one of them was
// told is there, once.
func TestDocumentsOfKilledProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := openDocuments(t, dir).Write(t.Context(), core.Write{Collection: "c", Key: "n", Value: []byte{}})
	require.NoError(t, err)
	var running sync.WaitGroup
	var mu sync.Mutex
	acknowledged, kills, until := []string{}, 0, time.Now().Add(4*time.Second)
	for range 4 {
		running.Go(func() {
			for time.Now().Before(until) {
				ids := runUntilKilled(t, dir)
				mu.Lock()
				acknowledged, kills = append(acknowledged, ids...), kills+1
				mu.Unlock()
			}
		})
	}
	running.Wait()
	got, err := openDocuments(t, dir).Get(t.Context(), "c", "n")
	require.NoError(t, err)
	kept := map[string]bool{}
	for id := range strings.Lines(string(got.Value)) {
		require.False(t, kept[id], "%s is there twice", id)
		kept[id] = true
	}
	for _, id := range acknowledged {
		require.True(t, kept[id+"\n"], "%s was acknowledged and is lost", id)
	}
	require.NotEmpty(t, acknowledged)
	require.LessOrEqual(t, len(kept), len(acknowledged)+kills)
	t.Logf("%d kills, %d acknowledged, %d kept", kills, len(acknowledged), len(kept))
}

// runUntilKilled runs a counting process for a while, and tells what was acknowledged to it.
func runUntilKilled(t *testing.T, dir string) (ids []string) {
	command := exec.Command(os.Args[0], "-test.run=^TestDocumentsCountingProcess$")
	command.Env = append(os.Environ(), countingDir+"="+dir)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	lines := bufio.NewScanner(out)
	timer := time.AfterFunc(time.Duration(50+rand.IntN(250))*time.Millisecond, func() { command.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
			ids = append(ids, id)
		} else {
			t.Errorf("a counting process says %q", lines.Text())
		}
	}
	_ = command.Wait()
	return ids
}
