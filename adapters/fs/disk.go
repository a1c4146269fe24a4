package fs

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is the file system below one directory, as far as [Files] needs it. It is the operating system's, but in the tests of
// power cuts: one in memory, which forgets what was not made durable. Names are slash-separated and relative; errors are those of
// package os.
type disk interface {
	// OpenFile opens a file with flags of package os.
	OpenFile(name string, flag int) (file, error)
	Stat(name string) (fs.FileInfo, error)
	// Same reports whether two are of one file, whatever its name is.
	Same(a, b fs.FileInfo) bool
	Rename(from, to string) error
	Remove(name string) error
	Mkdir(name string) error
	// SyncDir makes durable which names a directory has; "." is the topmost.
	SyncDir(name string) error
	// FS is for walking the names.
	FS() fs.FS
	Close() error
}

// file is what is needed of an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// directory is the operating system's disk.
type directory struct{ root *os.Root }

func (d directory) OpenFile(name string, flag int) (file, error) {
	opened, err := d.root.OpenFile(filepath.FromSlash(name), flag, 0o600)
	if err != nil {
		return nil, err // not a nil *os.File in an interface
	}
	return opened, nil
}

func (d directory) Stat(name string) (fs.FileInfo, error) {
	return d.root.Stat(filepath.FromSlash(name))
}

func (d directory) Same(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

func (d directory) Rename(from, to string) error {
	return d.root.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

func (d directory) Remove(name string) error { return d.root.Remove(filepath.FromSlash(name)) }

func (d directory) Mkdir(name string) error { return d.root.Mkdir(filepath.FromSlash(name), 0o700) }

func (d directory) SyncDir(name string) error {
	if name == "." {
		return syncDir(d.root)
	}
	below, err := d.root.OpenRoot(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer below.Close()
	return syncDir(below)
}

func (d directory) FS() fs.FS { return d.root.FS() }

func (d directory) Close() error { return d.root.Close() }
