package fs

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"

	"eventstore/core"
)

// fileLock is an exclusive lock between processes, and between the holders of one handle.
type fileLock struct {
	held chan struct{} // holds one when the lock is taken, or being taken, in this handle
	file *flock.Flock
}

// newFileLock is the lock of what has this name in dir. 256 files serve all names, so that
// none is left behind for each; two names that share one wait for each other, no more.
func newFileLock(dir, name string) *fileLock {
	stripe := crc32.ChecksumIEEE([]byte(name)) % 256
	return &fileLock{held: make(chan struct{}, 1), file: flock.New(filepath.Join(dir, fmt.Sprintf("lock.%02x", stripe)))}
}

// take waits for the lock, or until ctx ends.
func (l *fileLock) take(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: waiting for the lock: %w", core.ErrUnavailable, err)
	}
	select {
	case l.held <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: waiting for the lock: %w", core.ErrUnavailable, ctx.Err())
	}
	if free, err := l.file.TryLock(); err != nil {
		<-l.held
		return nil, unavailable(err)
	} else if free {
		return l.release, nil
	}
	return l.wait(ctx)
}

// wait takes a lock that another holds. Where ctx ends first, the goroutine that waits
// gives the lock back once it has it.
func (l *fileLock) wait(ctx context.Context) (unlock func(), err error) {
	taken := make(chan error, 1)
	go func() { taken <- l.file.Lock() }()
	select {
	case err = <-taken:
	case <-ctx.Done():
		go func() {
			<-taken
			l.release()
		}()
		return nil, fmt.Errorf("%w: waiting for the lock: %w", core.ErrUnavailable, ctx.Err())
	}
	if err != nil {
		<-l.held
		return nil, unavailable(err)
	}
	return l.release, nil
}

func (l *fileLock) release() {
	_ = l.file.Unlock()
	<-l.held
}

// unavailable says of a system's error that nothing was stored, without the path, which
// callers may be shown.
func unavailable(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

// makeDir makes dir and what is above it, durably.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	root, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer root.Close()
	return syncDir(root)
}

// syncDir makes the names in a directory durable. Windows has no such call; NTFS keeps them
// in its journal.
func syncDir(root *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
