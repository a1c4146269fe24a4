package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// Files is a segment.Files in a directory. Several processes, and several Files of one
// process, may use one directory at once: what is appended is written under one lock, and
// what a process serves of a file it has either written and fsynced, or fsynced under that
// lock. So nothing that was read is ever cut.
type Files struct {
	disk disk
	lock *fileLock
	open func(name string) (file, error) // opens to read and write; one that fails, in tests

	mu     sync.Mutex
	files  map[string]*handle // guarded by mu; those that are open
	order  []string           // guarded by mu; their names, the one used last behind
	ends   map[string]int64   // guarded by mu; up to where each file is durable, and is never cut
	broken *damage            // guarded by lock; nil when there is none
}

var (
	_ segment.Files  = (*Files)(nil)
	_ segment.Cutter = (*Files)(nil)
)

const (
	lockName = "lock"
	// temporary is the directory of files that are being written. What a crash left there is removed
	// when it is older than abandoned.
	temporary = "tmp"
	abandoned = time.Hour
)

// OpenFiles opens the files in dir, which must be there.
func OpenFiles(dir string) (*Files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return openFilesOn(directory{root}, dir), nil
}

// openFilesOn opens the files of a disk, with their lock in the directory dir.
func openFilesOn(disk disk, dir string) *Files {
	f := &Files{
		disk:  disk,
		lock:  &fileLock{held: make(chan struct{}, 1), file: flock.New(filepath.Join(dir, lockName))},
		files: map[string]*handle{},
		ends:  map[string]int64{},
	}
	f.open = func(name string) (file, error) { return disk.OpenFile(name, os.O_RDWR) }
	f.sweep(time.Now().Add(-abandoned))
	return f
}

// sweep removes what a crash left of files that were being written, if it is older than that. It is
// tidying: what can't be removed stays.
func (f *Files) sweep(before time.Time) {
	entries, _ := fs.ReadDir(f.disk.FS(), temporary)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.ModTime().Before(before) {
			_ = f.disk.Remove(temporary + "/" + entry.Name())
		}
	}
}

// Close lets go of the files. Nothing may be called after it.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.files {
		f.evict(name)
	}
	return f.disk.Close()
}

// Append writes data at the end of a file, durably, if its length is at. A write that fails is
// taken back.
func (f *Files) Append(ctx context.Context, name string, at int64, data []byte) error {
	unlock, err := f.lock.take(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	h, size, err := f.use(name)
	if err != nil {
		return err
	}
	defer f.release(h)
	if err := f.repair(); err != nil {
		return err
	}
	if size != at {
		return fmt.Errorf("%w: %s has %d bytes, not %d", core.ErrConflict, name, size, at)
	}
	if _, err = h.file.WriteAt(data, at); err == nil {
		err = h.file.Sync()
	}
	if err != nil {
		return f.takeBack(h, at, err)
	}
	f.setEnd(name, at+int64(len(data)))
	return nil
}

// damage is what a failed append left behind the end of a file, and could not be taken back.
type damage struct {
	name  string
	from  int64
	cause error
}

// takeBack cuts away what a failed append left.
func (f *Files) takeBack(h *handle, at int64, cause error) error {
	err := h.file.Truncate(at)
	if err == nil {
		err = h.file.Sync()
	}
	if err == nil {
		return unavailable(cause)
	}
	f.broken = &damage{h.name, at, fmt.Errorf("%w; and taking it back: %w", cause, err)}
	return fmt.Errorf("%w: %w", core.ErrUnknown, f.broken.cause)
}

// repair makes durable what a failed append left that could not be taken back, since another
// process may have read it by now. It is written once more, for after a failed fsync another
// says nothing of the bytes before it. Until that succeeds nothing else is written, nor read
// of what was left.
func (f *Files) repair() error {
	if f.broken == nil {
		return nil
	}
	err := f.rewrite(f.broken.name, f.broken.from)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("%w: an append failed (%w) and can't be made good: %w", core.ErrUnavailable, f.broken.cause, err)
	}
	f.broken = nil
	return nil
}

// rewrite writes what stands behind from once more, and makes it durable.
func (f *Files) rewrite(name string, from int64) error {
	h, size, err := f.use(name)
	if err != nil {
		return err
	}
	defer f.release(h)
	if size > from {
		left := make([]byte, size-from)
		if _, err = h.file.ReadAt(left, from); err == nil {
			_, err = h.file.WriteAt(left, from)
		}
	}
	if err == nil {
		err = h.file.Sync()
	}
	return err
}

// ReadAt reads from a file, up to where it is known to be durable.
func (f *Files) ReadAt(ctx context.Context, name string, p []byte, offset int64) (int, error) {
	if strings.HasPrefix(name, segment.Derived) {
		return f.readDerived(ctx, name, p, offset)
	}
	end, known := f.end(name)
	if !known || offset+int64(len(p)) > end {
		var err error
		if end, err = f.settle(ctx, name); err != nil {
			return 0, err
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	n := int(min(int64(len(p)), max(end-offset, 0)))
	if n > 0 {
		h, err := f.acquire(name)
		if err != nil {
			return 0, err
		}
		defer f.release(h)
		if n, err = h.file.ReadAt(p[:n], offset); err != nil && !errors.Is(err, io.EOF) {
			return n, unavailable(err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// settle makes durable what another process wrote at a file's end, and reports where that is.
func (f *Files) settle(ctx context.Context, name string) (end int64, err error) {
	unlock, err := f.lock.take(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	h, size, err := f.use(name)
	if err != nil {
		return 0, err
	}
	defer f.release(h)
	end, known := f.end(name)
	if known && end == size {
		return size, nil
	}
	if err := f.repair(); err != nil {
		return 0, err
	}
	if err = h.file.Sync(); err == nil && !known {
		err = f.syncParent(name)
	}
	if err != nil {
		return 0, unavailable(err)
	}
	f.setEnd(name, size)
	return size, nil
}

// Create makes a file if it is absent. One with data is there whole or not at all.
func (f *Files) Create(ctx context.Context, name string, data []byte) error {
	unlock, err := f.lock.take(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	switch _, err := f.disk.Stat(name); {
	case err == nil:
		return fmt.Errorf("%w: %s exists", core.ErrConflict, name)
	case !errors.Is(err, fs.ErrNotExist):
		return unavailable(err)
	}
	if err := f.replace(name, data); err != nil {
		return err
	}
	f.setEnd(name, int64(len(data)))
	return nil
}

// Put makes or replaces a file that is derived.
func (f *Files) Put(ctx context.Context, name string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return f.replace(name, data)
}

// replace writes a file beside, and renames it.
func (f *Files) replace(name string, data []byte) error {
	beside := temporary + "/" + randomText()
	for _, needed := range []string{name, beside} {
		if err := f.makeParent(needed); err != nil {
			return unavailable(err)
		}
	}
	err := f.writeNew(beside, data)
	if err == nil {
		err = f.disk.Rename(beside, name)
	}
	if err != nil {
		_ = f.disk.Remove(beside)
		return unavailable(err)
	}
	if err := f.syncParent(name); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnknown, err)
	}
	return nil
}

func (f *Files) writeNew(name string, data []byte) error {
	file, err := f.disk.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	return file.Sync()
}

// Remove deletes a file that is derived.
func (f *Files) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	if err := f.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return nil
}

// Cut shortens a file to length at, durably, if exactly torn stands behind that.
func (f *Files) Cut(ctx context.Context, name string, at int64, torn []byte) error {
	f.forget(name) // whatever comes of it: behind at nothing is settled any more
	unlock, err := f.lock.take(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	h, size, err := f.use(name)
	if err != nil {
		return err
	}
	defer f.release(h)
	found := make([]byte, len(torn))
	if size == at+int64(len(torn)) {
		if _, err := h.file.ReadAt(found, at); err != nil && !errors.Is(err, io.EOF) {
			return unavailable(err)
		}
	}
	if size != at+int64(len(torn)) || !bytes.Equal(found, torn) {
		return fmt.Errorf("%w: %s does not end with the %d bytes at %d", core.ErrConflict, name, len(torn), at)
	}
	if err = h.file.Truncate(at); err == nil {
		err = h.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnknown, err)
	}
	f.setEnd(name, at)
	return nil
}

// syncParent makes the names in the directory that a name is in durable, and that directory's
// own.
func (f *Files) syncParent(name string) error {
	if dir := path.Dir(name); dir != "." {
		if err := f.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return f.disk.SyncDir(".")
}

// makeParent makes the directory that a name is in.
func (f *Files) makeParent(name string) error {
	err := f.disk.Mkdir(path.Dir(name))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
