package fs

import (
	"maps"
	"os"
	"slices"
	"sort"

	"eventstore/core"
)

// tidy does what may fail after a batch was written: it notes how far the file is durable,
// removes a file without documents, and writes one anew that is mostly out of date.
func (c *collection) tidy() {
	_ = c.writeEnd()
	switch {
	case len(c.entries) == 0:
		if c.root.Remove(c.file) == nil {
			c.reset()
		}
	case c.size > rewriteAbove && c.size > rewriteRatio*c.live:
		_ = c.rewrite()
	}
}

// rewrite writes the file anew with the entries alone; without a file it makes one. When it fails
// everything is as it was.
func (c *collection) rewrite() error {
	fresh := &collection{name: c.name, file: "new." + c.file, root: c.root, entries: map[string]entry{}}
	defer func() { fresh.reset() }()
	if err := fresh.copyFrom(c); err != nil {
		_ = c.root.Remove(fresh.file)
		return err
	}
	if err := c.root.Rename(fresh.file, c.file); err != nil {
		_ = c.root.Remove(fresh.file)
		return err
	}
	c.reset()
	c.open, c.info, c.size, c.live, c.entries = fresh.open, fresh.info, fresh.size, fresh.live, fresh.entries
	fresh.open = nil
	return c.sync() // the directory
}

// copyFrom fills a new file with another's documents, their checksums as they were.
func (c *collection) copyFrom(old *collection) (err error) {
	if c.open, err = c.root.OpenFile(c.file, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	if c.info, err = c.open.Stat(); err != nil {
		return err
	}
	c.size = int64(fileHeadSize)
	b := newBatch()
	for i, escaped := range old.order() {
		e := old.entries[escaped]
		value := make([]byte, e.length)
		if _, err := old.open.ReadAt(value, e.offset); err != nil {
			return err
		}
		b.put(escaped, e, value)
		if len(b.bytes) < batchSize && i < len(old.entries)-1 {
			continue
		}
		bytes := b.seal()
		if _, err := c.open.WriteAt(bytes, c.size); err != nil {
			return err
		}
		c.apply(b.changes, int64(len(bytes)))
		b = newBatch()
	}
	if err := c.writeEnd(); err != nil {
		return err
	}
	return c.open.Sync()
}

// order is the escaped keys in order. It needs mu, for reading.
func (c *collection) order() []string {
	c.sorting.Lock()
	defer c.sorting.Unlock()
	if c.sorted == nil {
		c.sorted = slices.Sorted(maps.Keys(c.entries))
	}
	return c.sorted
}

// keys is the escaped keys that a query may select, in order; it looks at the escaped
// prefix alone. It needs mu, for reading; what it returns is never changed.
func (c *collection) keys(q core.ListQuery) []string {
	all, after, prefix := c.order(), core.EscapeKey(q.After), core.EscapedPrefix(q.Prefix)
	first := sort.Search(len(all), func(i int) bool { return all[i] > after && all[i] >= prefix })
	last := sort.Search(len(all), func(i int) bool { return all[i][:min(len(all[i]), len(prefix))] > prefix })
	return all[first:max(first, last)]
}
