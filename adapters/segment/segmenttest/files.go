// Package segmenttest holds the conformance suite of segment.Files, and one in memory whose
// calls fail when a test says so.
package segmenttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// OpenFiles opens one store, the same at every call, as another process would.
type OpenFiles func() segment.Files

// TestFiles holds an adapter's Files against what the port promises. empty gives each test a
// store of its own, without files.
func TestFiles(t *testing.T, empty func(t *testing.T) OpenFiles) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, OpenFiles)
	}{
		{"what is appended is read, from any offset", appendRead},
		{"an append at another length conflicts and writes nothing", appendConflict},
		{"what is not there is not found", absent},
		{"a file is created once", create},
		{"a file is put again and again, and removed", putRemove},
		{"files are listed in order, by prefix, from a name on", list},
		{"a second handle sees everything at once", secondHandle},
		{"of appends at one length one wins", race},
		{"of handles that create a file one does", raceCreate},
		{"the largest append is one", largest},
		{"data is not retained", notRetained},
		{"a cancelled call does nothing", cancelled},
		{"a cut shortens a file that ends as expected", cut},
	} {
		t.Run(tt.name, func(t *testing.T) { t.Parallel(); tt.test(t, empty(t)) })
	}
}

const name = "log/00000000000000000001.ndjson"

func created(t *testing.T, open OpenFiles, data ...string) segment.Files {
	t.Helper()
	f := open()
	require.NoError(t, f.Create(t.Context(), name, nil))
	at := 0
	for _, part := range data {
		require.NoError(t, f.Append(t.Context(), name, int64(at), []byte(part)))
		at += len(part)
	}
	return f
}

// content reads a whole file.
func content(t *testing.T, f segment.Files, name string) string {
	t.Helper()
	var all []byte
	for p := make([]byte, 1<<20); ; {
		n, err := f.ReadAt(t.Context(), name, p, int64(len(all)))
		all = append(all, p[:n]...)
		if err != nil {
			require.Equal(t, io.EOF, err)
			return string(all)
		}
		require.Equal(t, len(p), n)
	}
}

func appendRead(t *testing.T, open OpenFiles) {
	f := created(t, open)
	require.Empty(t, content(t, f, name))
	require.NoError(t, f.Append(t.Context(), name, 0, []byte("hello\n")))
	require.NoError(t, f.Append(t.Context(), name, 6, []byte("world\n")))
	for _, tt := range []struct {
		offset int64
		size   int
		want   string
		err    error
	}{
		{0, 12, "hello\nworld\n", nil},
		{0, 13, "hello\nworld\n", io.EOF},
		{3, 5, "lo\nwo", nil},
		{11, 1, "\n", nil},
		{11, 100, "\n", io.EOF},
		{12, 1, "", io.EOF},
		{13, 10, "", io.EOF},
		{1 << 40, 10, "", io.EOF},
	} {
		p := make([]byte, tt.size)
		n, err := f.ReadAt(t.Context(), name, p, tt.offset)
		require.Equal(t, tt.want, string(p[:n]), "%+v", tt)
		require.Equal(t, tt.err, err, "%+v", tt)
	}
}

func appendConflict(t *testing.T, open OpenFiles) {
	f := created(t, open, "hello\n")
	for _, at := range []int64{0, 5, 7, 1 << 30} {
		require.ErrorIs(t, f.Append(t.Context(), name, at, []byte("x")), core.ErrConflict, "at %d", at)
	}
	require.Equal(t, "hello\n", content(t, f, name))
	require.NoError(t, f.Append(t.Context(), name, 6, []byte("x")))
}

func absent(t *testing.T, open OpenFiles) {
	f := open()
	require.ErrorIs(t, f.Append(t.Context(), name, 0, []byte("x")), core.ErrNotFound)
	_, err := f.ReadAt(t.Context(), name, make([]byte, 10), 0)
	require.ErrorIs(t, err, core.ErrNotFound)
	require.NoError(t, f.Remove(t.Context(), "index/absent"))
	require.Empty(t, names(t, f, "", ""))
}

func create(t *testing.T, open OpenFiles) {
	f := open()
	require.NoError(t, f.Create(t.Context(), "log.json", []byte("first")))
	require.ErrorIs(t, f.Create(t.Context(), "log.json", []byte("second")), core.ErrConflict)
	require.ErrorIs(t, f.Create(t.Context(), "log.json", nil), core.ErrConflict)
	require.Equal(t, "first", content(t, f, "log.json"))
	require.NoError(t, f.Create(t.Context(), name, nil))
	require.NoError(t, f.Append(t.Context(), name, 0, []byte("x")))
	require.ErrorIs(t, f.Create(t.Context(), name, nil), core.ErrConflict)
	require.Equal(t, "x", content(t, f, name))
}

func putRemove(t *testing.T, open OpenFiles) {
	f := open()
	for _, data := range []string{"first and long", "second", "", string(bytes.Repeat([]byte("x"), 5<<20))} {
		require.NoError(t, f.Put(t.Context(), "index/manifest", []byte(data)))
		require.True(t, data == content(t, open(), "index/manifest"), "what was put is not what is read")
	}
	require.NoError(t, f.Remove(t.Context(), "index/manifest"))
	_, err := open().ReadAt(t.Context(), "index/manifest", make([]byte, 10), 0)
	require.ErrorIs(t, err, core.ErrNotFound)
	require.NoError(t, f.Remove(t.Context(), "index/manifest"))
	require.NoError(t, f.Put(t.Context(), "index/manifest", []byte("again")))
	require.Equal(t, "again", content(t, f, "index/manifest"))
}

func names(t *testing.T, f segment.Files, prefix, from string) []string {
	t.Helper()
	got := []string{}
	for info, err := range f.List(t.Context(), prefix, from) {
		require.NoError(t, err)
		require.Len(t, content(t, f, info.Name), int(info.Size), info.Name)
		got = append(got, info.Name)
	}
	return got
}

func list(t *testing.T, open OpenFiles) {
	f := open()
	var segments []string
	for i := range 30 {
		segments = append(segments, fmt.Sprintf("log/%020d.ndjson", i*i*7+1))
		require.NoError(t, f.Create(t.Context(), segments[i], bytes.Repeat([]byte("x"), i)))
	}
	require.NoError(t, f.Create(t.Context(), "log.json", []byte("{}")))
	require.NoError(t, f.Create(t.Context(), "log/00000000000000000001.ndjson.cut-12", []byte("cut")))
	require.NoError(t, f.Put(t.Context(), "index/manifest", []byte("m")))
	all := append([]string{segments[0], "log/00000000000000000001.ndjson.cut-12"}, segments[1:]...)
	require.Equal(t, all, names(t, f, "log/", ""))
	require.Equal(t, segments[5:], names(t, f, "log/", segments[5]))
	require.Equal(t, segments[6:], names(t, f, "log/", segments[5]+"x"))
	require.Equal(t, segments[29:], names(t, f, "log/", "log/000000000000000057"))
	require.Empty(t, names(t, f, "log/", "log/9"))
	require.Empty(t, names(t, f, "none/", ""))
	require.Equal(t, append([]string{"index/manifest", "log.json"}, all...), names(t, f, "", ""))
	for range f.List(t.Context(), "", "") {
		break
	}
}

func secondHandle(t *testing.T, open OpenFiles) {
	a, b := created(t, open, "one\n"), open()
	require.Equal(t, "one\n", content(t, b, name))
	require.NoError(t, b.Append(t.Context(), name, 4, []byte("two\n")))
	require.Equal(t, "one\ntwo\n", content(t, a, name))
	require.ErrorIs(t, a.Append(t.Context(), name, 4, []byte("three\n")), core.ErrConflict)
	require.NoError(t, a.Append(t.Context(), name, 8, []byte("three\n")))
	require.Equal(t, "one\ntwo\nthree\n", content(t, b, name))
}

func race(t *testing.T, open OpenFiles) {
	handles := []segment.Files{created(t, open), open()}
	for round := range 10 {
		wins(t, 6, func(i int) error {
			return handles[i%2].Append(t.Context(), name, int64(round), []byte{byte('a' + i)})
		})
	}
	require.Len(t, content(t, open(), name), 10)
}

func raceCreate(t *testing.T, open OpenFiles) {
	for round := range 10 {
		wins(t, 4, func(int) error {
			return open().Create(t.Context(), fmt.Sprintf("log/%020d.ndjson", round), nil)
		})
	}
}

// wins calls from n goroutines at once, of which one is to succeed.
func wins(t *testing.T, n int, call func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var racing sync.WaitGroup
	for i := range errs {
		racing.Go(func() { errs[i] = call(i) })
	}
	racing.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, core.ErrConflict)
	}
	require.Equal(t, 1, won, "%v", errs)
}

func largest(t *testing.T, open OpenFiles) {
	f := created(t, open, "x")
	data := bytes.Repeat([]byte("0123456789abcdef"), segment.LargestAppend/16)
	require.NoError(t, f.Append(t.Context(), name, 1, data))
	p := make([]byte, len(data))
	n, err := open().ReadAt(t.Context(), name, p, 1)
	require.NoError(t, err)
	require.True(t, n == len(data) && bytes.Equal(data, p), "what was appended is not what is read")
}

func notRetained(t *testing.T, open OpenFiles) {
	f, data := created(t, open), []byte("hello\n")
	require.NoError(t, f.Append(t.Context(), name, 0, data))
	require.NoError(t, f.Put(t.Context(), "index/a", data))
	require.NoError(t, f.Create(t.Context(), "log.json", data))
	copy(data, "xxxxxx")
	for _, file := range []string{name, "index/a", "log.json"} {
		require.Equal(t, "hello\n", content(t, f, file))
	}
}

func cancelled(t *testing.T, open OpenFiles) {
	f := created(t, open, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		f.Append(ctx, name, 1, []byte("y")), f.Create(ctx, "log.json", nil), f.Put(ctx, "index/a", nil), f.Remove(ctx, "index/a"),
	} {
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err := f.ReadAt(ctx, name, make([]byte, 5), 0)
	require.ErrorIs(t, err, context.Canceled)
	for _, err = range f.List(ctx, "", "") {
	}
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{name}, names(t, f, "", ""))
	require.Equal(t, "x", content(t, f, name))
}

func cut(t *testing.T, open OpenFiles) {
	cutter, ok := open().(segment.Cutter)
	if !ok {
		return // appends of these Files are never torn, so there is nothing to cut
	}
	f := created(t, open, "hello\n", "wor")
	for _, torn := range []string{"wo", "word", "Wor", "", "\nwor", "worl"} {
		require.ErrorIs(t, cutter.Cut(t.Context(), name, 6, []byte(torn)), core.ErrConflict, "%q", torn)
	}
	require.ErrorIs(t, cutter.Cut(t.Context(), name, 10, nil), core.ErrConflict)
	require.ErrorIs(t, cutter.Cut(t.Context(), "log/x", 6, []byte("wor")), core.ErrNotFound)
	require.Equal(t, "hello\nwor", content(t, f, name))
	require.NoError(t, cutter.Cut(t.Context(), name, 6, []byte("wor")))
	require.Equal(t, "hello\n", content(t, f, name))
	require.NoError(t, f.Append(t.Context(), name, 6, []byte("world\n")))
	require.Equal(t, "hello\nworld\n", content(t, open(), name))
}
