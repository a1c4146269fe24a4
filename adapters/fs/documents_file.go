package fs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"eventstore/core"
)

// collection is the file of one collection: batches one after the other, of which the
// newest record of a key counts. It is written only under its lock, at its end, and
// fsynced before the lock is released; so what lies behind the last whole batch is
// what a crash left of one that nobody was told of. When most of it is out of date it
// is written anew, beside, and renamed over the old one.
type collection struct {
	name string // as callers say it
	file string // the file's name
	root *os.Root
	lock *fileLock

	mu      sync.RWMutex
	open    *os.File         // guarded by mu; nil when there is no file, or none was seen yet
	info    fs.FileInfo      // guarded by mu; tells open apart from a file that took its place
	size    int64            // guarded by mu; how far the file was read, which is durable
	live    int64            // guarded by mu; how much of that is the entries'
	entries map[string]entry // guarded by mu; by escaped key
	synced  bool             // guarded by mu; whether the directory was fsynced since the file came

	sorting sync.Mutex
	sorted  []string // guarded by sorting, or by mu held for writing; the escaped keys in order, nil when they changed
}

const (
	rewriteAbove = 4 << 20 // a file below is not worth writing anew
	rewriteRatio = 3       // nor is one that is less than this many times its entries
	batchSize    = 4 << 20 // about the most a batch of a file written anew has
)

func newCollection(root *os.Root, dir, name string) *collection {
	escaped := core.EscapeKey(name)
	return &collection{name: name, file: "collection." + escaped, root: root, lock: newFileLock(dir, escaped), entries: map[string]entry{}}
}

// view calls see with the collection as it now is, writes of other handles included. Where
// nothing has changed that costs one look at the file's size.
func (c *collection) view(ctx context.Context, see func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if seen, err := c.viewCurrent(see); seen {
		return err
	}
	unlock, err := c.lock.take(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		return err
	}
	return see()
}

// viewCurrent is view, if the file is as it was last read.
func (c *collection) viewCurrent(see func() error) (seen bool, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	info, err := c.root.Stat(c.file)
	if c.open == nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if c.open != nil && (err != nil || info.Size() != c.size || !os.SameFile(info, c.info)) {
		return false, nil
	}
	return true, see()
}

// load reads what is new in the file. It needs the lock and mu.
func (c *collection) load() error {
	info, err := c.root.Stat(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		c.reset()
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	if c.open == nil || !os.SameFile(info, c.info) {
		c.reset()
		if err := c.openFile(); err != nil {
			return err
		}
	}
	if info.Size() == c.size && c.synced {
		return nil
	}
	if err := c.takeOver(info.Size()); err != nil {
		c.reset()
		return err
	}
	return nil
}

func (c *collection) reset() {
	if c.open != nil {
		_ = c.open.Close()
	}
	c.open, c.info, c.size, c.live, c.synced = nil, nil, 0, 0, false
	c.entries, c.sorted = map[string]entry{}, nil
}

func (c *collection) openFile() error {
	file, err := c.root.OpenFile(c.file, os.O_RDWR, 0)
	if err != nil {
		return unavailable(err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return unavailable(err)
	}
	c.open, c.info = file, info
	_ = c.root.Remove("new." + c.file) // what a crash may have left
	return nil
}

// takeOver reads the file from where it was last read to size, first making durable
// what another handle wrote and did not live to.
func (c *collection) takeOver(size int64) error {
	if err := c.sync(); err != nil {
		return unavailable(err)
	}
	end, err := c.readHead()
	if err != nil {
		return err
	}
	if size < max(end, c.size) {
		return c.corrupt(size, "the file ends there; it was %d bytes long", max(end, c.size))
	}
	if c.size == 0 {
		c.size = int64(fileHeadSize)
	}
	if err := c.readBatches(size, end); err != nil {
		return err
	}
	return c.writeEnd()
}

func (c *collection) sync() error {
	if err := c.open.Sync(); err != nil || c.synced {
		return err
	}
	if err := syncDir(c.root); err != nil {
		return err
	}
	c.synced = true
	return nil
}

// readHead checks the file's first line, and tells how far it says that the file was durable.
func (c *collection) readHead() (end int64, err error) {
	head := make([]byte, fileHeadSize)
	if _, err := c.open.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, unavailable(err)
	}
	digits := head[fileHeadSize-len(`12345678901234567890"}`+"\n"):][:20]
	end, _ = strconv.ParseInt(string(digits), 10, 64)
	if string(head) != fmt.Sprintf(fileHead, end) {
		return 0, c.corrupt(0, "the first line is %q", head)
	}
	return end, nil
}

// readBatches reads batches up to size. One that is not whole is corruption where the
// file was durable, up to end; behind it a crash left it, and it is cut away and kept beside.
func (c *collection) readBatches(size, end int64) error {
	r := bufio.NewReaderSize(io.NewSectionReader(c.open, c.size, size-c.size), 1<<18)
	for c.size < size {
		changes, length, err := readBatch(r, size-c.size)
		switch {
		case errors.Is(err, errBroken) && c.size < end:
			return c.corrupt(c.size, "%v", err)
		case errors.Is(err, errBroken):
			return c.cut(size)
		case err != nil:
			return unavailable(err)
		}
		c.apply(changes, length)
	}
	return nil
}

// apply takes over the changes of a batch of that length at the end of what was read.
func (c *collection) apply(changes []change, length int64) {
	for _, change := range changes {
		old, was := c.entries[change.escaped]
		is := change.entry.size > 0
		c.live += change.entry.size - old.size
		if is {
			change.entry.offset += c.size
			c.entries[change.escaped] = change.entry
		} else {
			delete(c.entries, change.escaped)
		}
		if was != is {
			c.sorted = nil
		}
	}
	c.size += length
}

// cut takes away what lies behind the last whole batch, and keeps it beside if there is
// room: nobody was told that it was written.
func (c *collection) cut(size int64) error {
	name := fmt.Sprintf("cut.%s.%d", c.file, c.size)
	if err := c.keep(name, size); err != nil {
		c.root.Remove(name)
	}
	if err := c.truncate(); err != nil {
		return unavailable(err)
	}
	return nil
}

func (c *collection) keep(name string, size int64) error {
	file, err := c.root.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, io.NewSectionReader(c.open, c.size, size-c.size)); err != nil {
		return err
	}
	return file.Sync()
}

// truncate cuts the file to what was read of it, durably.
func (c *collection) truncate() error {
	if err := c.open.Truncate(c.size); err != nil {
		return err
	}
	return c.open.Sync()
}

// writeEnd notes in the file's first line that it is durable up to here.
func (c *collection) writeEnd() error {
	if _, err := c.open.WriteAt(fmt.Appendf(nil, fileHead, c.size), 0); err != nil {
		return unavailable(err)
	}
	return nil
}

// append writes a batch at the file's end, durably. ErrUnavailable: it was taken back.
// ErrUnknown: that failed too. It needs the lock and mu, and the file loaded.
func (c *collection) append(b *batch) error {
	if c.open == nil {
		if err := c.rewrite(); err != nil {
			return unavailable(err)
		}
	}
	bytes := b.seal()
	_, err := c.open.WriteAt(bytes, c.size)
	if err == nil {
		err = c.sync()
	}
	if err != nil {
		return c.takeBack(err)
	}
	c.apply(b.changes, int64(len(bytes)))
	c.tidy()
	return nil
}

// takeBack cuts away a batch that could not be written.
func (c *collection) takeBack(cause error) error {
	if err := c.truncate(); err != nil {
		c.reset() // what is there is read, and made durable, before it is told again
		return fmt.Errorf("%w: %w; and taking it back: %w", core.ErrUnknown, cause, err)
	}
	return unavailable(cause)
}

func (c *collection) corrupt(offset int64, format string, args ...any) error {
	return &core.CorruptError{Place: fmt.Sprintf("%s, byte %d", c.file, offset), Reason: fmt.Sprintf(format, args...)}
}
