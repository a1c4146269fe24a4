package fs

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing/fstest"
	"time"
)

// MemoryDisk is a disk that can lose its power: what was not fsynced, of bytes and of names, is then there or not, or in part. It is
// as unkind as a file system may be: each name and each write is lost or kept by itself, and a longer file may hold zeros.
type MemoryDisk struct {
	Before func() // called before each change

	mu      sync.Mutex
	names   map[string]*inode // guarded by mu; directories too
	durable map[string]*inode // guarded by mu; the names that were fsynced
}

type inode struct {
	dir     bool
	data    []byte
	synced  []byte
	pending []diskChange
}

// diskChange is a write, or where there are no bytes a truncation, since the last fsync.
type diskChange struct {
	at    int64
	bytes []byte
}

// NewMemoryDisk is an empty disk.
func NewMemoryDisk() *MemoryDisk {
	return &MemoryDisk{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// OpenFilesIn opens files on a disk in memory, with their lock in the directory dir.
func OpenFilesIn(d *MemoryDisk, dir string) *Files { return openFilesOn(d, dir) }

// Cut is the disk as it may be found when the power is back.
func (d *MemoryDisk) Cut(random *rand.Rand) *MemoryDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after, copies := NewMemoryDisk(), map[*inode]*inode{}
	all := slices.Sorted(maps.Keys(d.names))
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		if d.names[name] == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all) // a directory before what is in it
	for _, name := range all {
		found := d.durable[name]
		if d.names[name] != found && random.IntN(2) == 0 {
			found = d.names[name]
		}
		if parent := path.Dir(name); found == nil || parent != "." && after.names[parent] == nil {
			continue
		}
		if copies[found] == nil {
			copies[found] = found.cut(random)
		}
		after.names[name], after.durable[name] = copies[found], copies[found]
	}
	return after
}

// cut is what is left of a file.
func (n *inode) cut(random *rand.Rand) *inode {
	left := slices.Clone(n.synced)
	for _, c := range n.pending {
		switch random.IntN(4) {
		case 0: // it is lost
		case 1: // a part of it
			if c.bytes != nil {
				left = write(left, c.at, c.bytes[:random.IntN(len(c.bytes)+1)])
			}
		case 2: // a part of it, and zeros up to its length
			if c.bytes != nil {
				torn := make([]byte, len(c.bytes))
				copy(torn, c.bytes[:random.IntN(len(c.bytes)+1)])
				left = write(left, c.at, torn)
			}
		case 3:
			left = c.apply(left)
		}
	}
	return &inode{dir: n.dir, data: left, synced: slices.Clone(left)}
}

func (c diskChange) apply(data []byte) []byte {
	if c.bytes == nil {
		return append(data[:min(int64(len(data)), c.at)], make([]byte, max(0, c.at-int64(len(data))))...)
	}
	return write(data, c.at, c.bytes)
}

func write(data []byte, at int64, bytes []byte) []byte {
	if missing := at + int64(len(bytes)) - int64(len(data)); missing > 0 {
		data = append(data, make([]byte, missing)...)
	}
	copy(data[at:], bytes)
	return data
}

// do makes a change of the disk, after telling that it is about to.
func (d *MemoryDisk) do(change func() error) error {
	if d.Before != nil {
		d.Before()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return change()
}

func (d *MemoryDisk) OpenFile(name string, flag int) (opened file, err error) {
	if flag&os.O_CREATE == 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		if n := d.names[name]; n != nil && !n.dir {
			return &openedFile{d, n, name}, nil
		}
		return nil, missing("open", name)
	}
	err = d.do(func() error {
		if d.names[name] != nil {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
		}
		d.names[name] = new(inode)
		opened = &openedFile{d, d.names[name], name}
		return nil
	})
	return opened, err
}

func missing(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

func (d *MemoryDisk) Stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.names[name]; n != nil {
		return info{n, path.Base(name), int64(len(n.data))}, nil
	}
	return nil, missing("stat", name)
}

func (d *MemoryDisk) Same(a, b fs.FileInfo) bool { return a.Sys() == b.Sys() }

func (d *MemoryDisk) Rename(from, to string) error {
	return d.do(func() error {
		n := d.names[from]
		if n == nil {
			return missing("rename", from)
		}
		delete(d.names, from)
		d.names[to] = n
		return nil
	})
}

func (d *MemoryDisk) Remove(name string) error {
	return d.do(func() error {
		if d.names[name] == nil {
			return missing("remove", name)
		}
		delete(d.names, name)
		return nil
	})
}

func (d *MemoryDisk) Mkdir(name string) error {
	return d.do(func() error {
		if d.names[name] != nil || name == "." {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
		d.names[name] = &inode{dir: true}
		return nil
	})
}

func (d *MemoryDisk) SyncDir(dir string) error {
	return d.do(func() error {
		in := func(name string, _ *inode) bool { return path.Dir(name) == dir }
		maps.DeleteFunc(d.durable, in)
		for name, n := range d.names {
			if in(name, n) {
				d.durable[name] = n
			}
		}
		return nil
	})
}

func (d *MemoryDisk) FS() fs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := fstest.MapFS{}
	for name, n := range d.names {
		if n.dir {
			all[name] = &fstest.MapFile{Mode: fs.ModeDir | 0o700}
		} else {
			all[name] = &fstest.MapFile{Data: n.data, ModTime: time.Now()}
		}
	}
	return all
}

func (d *MemoryDisk) Close() error { return nil }

type openedFile struct {
	disk *MemoryDisk
	node *inode
	name string
}

func (f *openedFile) ReadAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return strings.NewReader(string(f.node.data)).ReadAt(p, at)
}

func (f *openedFile) WriteAt(p []byte, at int64) (int, error) {
	return len(p), f.change(diskChange{at, append([]byte{}, p...)})
}

func (f *openedFile) Truncate(size int64) error { return f.change(diskChange{at: size}) }

func (f *openedFile) change(c diskChange) error {
	return f.disk.do(func() error {
		f.node.pending = append(f.node.pending, c)
		f.node.data = c.apply(f.node.data)
		return nil
	})
}

func (f *openedFile) Sync() error {
	return f.disk.do(func() error {
		f.node.synced, f.node.pending = slices.Clone(f.node.data), nil
		return nil
	})
}

func (f *openedFile) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return info{f.node, path.Base(f.name), int64(len(f.node.data))}, nil
}

func (f *openedFile) Close() error { return nil }

type info struct {
	node *inode
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o600 }
func (i info) ModTime() time.Time { return time.Now() }
func (i info) IsDir() bool        { return i.node.dir }
func (i info) Sys() any           { return i.node }
