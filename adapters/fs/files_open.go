package fs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// mostOpen is how many files a Files keeps open.
const mostOpen = 16

// handle is an open file.
type handle struct {
	name    string
	file    file
	info    fs.FileInfo // which file it is
	uses    int         // guarded by Files.mu
	evicted bool        // guarded by Files.mu; it is closed when nobody uses it
}

// acquire opens a file, or takes the one that is open. It has to be released.
func (f *Files) acquire(name string) (*handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.files[name]
	if h == nil {
		var err error
		if h, err = f.openFile(name); err != nil {
			return nil, err
		}
	}
	h.uses++
	f.order = append(slices.DeleteFunc(f.order, func(n string) bool { return n == name }), name)
	if len(f.order) > mostOpen {
		f.evict(f.order[0])
	}
	return h, nil
}

func (f *Files) openFile(name string) (*handle, error) {
	file, err := f.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("file %s: %w", name, core.ErrNotFound)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, unavailable(err)
	}
	h := &handle{name: name, file: file, info: info}
	f.files[name] = h
	return h, nil
}

func (f *Files) release(h *handle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.uses--
	if h.evicted && h.uses == 0 {
		h.file.Close()
	}
}

// evict takes a file out of those kept open. The caller holds mu.
func (f *Files) evict(name string) {
	h := f.files[name]
	delete(f.files, name)
	f.order = slices.DeleteFunc(f.order, func(n string) bool { return n == name })
	if h == nil {
		return
	}
	h.evicted = true
	if h.uses == 0 {
		h.file.Close()
	}
}

// use acquires a file and reports its length. A file that was taken away, or whose place another
// took, is not written to any more.
func (f *Files) use(name string) (h *handle, size int64, err error) {
	for {
		if h, err = f.acquire(name); err != nil {
			return nil, 0, err
		}
		info, err := f.disk.Stat(name)
		if err == nil && f.disk.Same(info, h.info) {
			return h, info.Size(), nil
		}
		f.release(h)
		f.forget(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, fmt.Errorf("file %s: %w", name, core.ErrNotFound)
		}
		if err != nil {
			return nil, 0, unavailable(err)
		}
	}
}

// forget drops what is known of a file.
func (f *Files) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.evict(name)
	delete(f.ends, name)
}

func (f *Files) end(name string) (end int64, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end, known = f.ends[name]
	return end, known
}

func (f *Files) setEnd(name string, end int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends[name] = end
}

// readDerived reads from a file that was put, and so may be replaced at any time.
func (f *Files) readDerived(ctx context.Context, name string, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	file, err := f.disk.OpenFile(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("file %s: %w", name, core.ErrNotFound)
	}
	if err != nil {
		return 0, unavailable(err)
	}
	defer file.Close()
	n, err := file.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, unavailable(err)
	}
	return n, err
}

// List yields the files as they are when the iteration begins.
func (f *Files) List(ctx context.Context, prefix, from string) iter.Seq2[segment.FileInfo, error] {
	return func(yield func(segment.FileInfo, error) bool) {
		found, err := f.list(ctx, prefix, from)
		if err != nil {
			yield(segment.FileInfo{}, err)
			return
		}
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (f *Files) list(ctx context.Context, prefix, from string) (found []segment.FileInfo, err error) {
	dir := "."
	if i := strings.LastIndexByte(prefix, '/'); i > 0 {
		dir = prefix[:i]
	}
	err = fs.WalkDir(f.disk.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", core.ErrUnavailable, ctx.Err())
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return unavailable(err)
		case entry.IsDir() || name < from || !strings.HasPrefix(name, prefix) || name == lockName || strings.HasPrefix(name, temporary+"/"):
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return unavailable(err)
		}
		found = append(found, segment.FileInfo{Name: name, Size: info.Size()})
		return nil
	})
	slices.SortFunc(found, func(a, b segment.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	return found, err
}

// randomText tells files apart that are written at once.
func randomText() string {
	random := make([]byte, 8)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}
