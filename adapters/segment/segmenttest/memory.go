package segmenttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// Fault is what happens to one call. The zero Fault lets it pass.
type Fault struct {
	Err  error // what the call answers, however much of its effect there was
	Keep Keep  // how much of its effect there was
}

// Keep is how much of a failing call's effect there was.
type Keep int

// Nothing, everything, or of an append the first half of its data.
const (
	Nothing Keep = iota
	Everything
	Half
)

// Memory is a segment.Files in memory for tests, with injected faults and a count of calls.
// Handles of one store are the same *Memory. Its zero value is not ready: see [NewMemory].
type Memory struct {
	mu     sync.Mutex
	files  map[string][]byte // guarded by mu
	calls  map[string]int    // guarded by mu
	read   int64             // guarded by mu; bytes that ReadAt returned
	script func(call, name string) Fault
}

var _ segment.Files = (*Memory)(nil)
var _ segment.Cutter = (*Memory)(nil)

// NewMemory is an empty store.
func NewMemory() *Memory {
	return &Memory{files: map[string][]byte{}, calls: map[string]int{}}
}

// Script has every later call, named as in "Append", asked for its fault; nil lets all pass.
func (m *Memory) Script(script func(call, name string) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.script = script
}

// Once is a Script that injects fault into the first call of that name.
func Once(call string, fault Fault) func(call, name string) Fault {
	var once sync.Once
	return func(c, _ string) (f Fault) {
		if c == call {
			once.Do(func() { f = fault })
		}
		return f
	}
}

// Calls reports how often each call was made since the last time it was asked.
func (m *Memory) Calls() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := m.calls
	m.calls = map[string]int{}
	return calls
}

// BytesRead reports how many bytes ReadAt has returned in all.
func (m *Memory) BytesRead() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.read
}

// File is a copy of a file's bytes; nil when there is none.
func (m *Memory) File(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.files[name])
}

// SetFile makes a file hold data, as a broken disk or a hand might; nil deletes it.
func (m *Memory) SetFile(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data == nil {
		delete(m.files, name)
		return
	}
	m.files[name] = bytes.Clone(data)
}

// Names are the names of all files, in order.
func (m *Memory) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files))
}

// Copy is another store with the same files, without script or counts.
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	for name, data := range m.files {
		c.files[name] = bytes.Clone(data)
	}
	return c
}

// run makes a call under the lock, as the script says.
func (m *Memory) run(ctx context.Context, call, name string, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[call]++
	var fault Fault
	if m.script != nil {
		fault = m.script(call, name)
	}
	if fault.Err != nil && fault.Keep == Nothing {
		return fault.Err
	}
	if err := effect(); err != nil {
		return err
	}
	if fault.Err != nil && fault.Keep == Half {
		m.halve(name)
	}
	return fault.Err
}

// halve drops the second half of what the last append wrote to name.
func (m *Memory) halve(name string) {
	data := m.files[name]
	m.files[name] = data[:len(data)-(len(data)-bytes.LastIndexByte(data[:len(data)-1], '\n')-1)/2]
}

// Append writes at the end of a file, if its length is at.
func (m *Memory) Append(ctx context.Context, name string, at int64, data []byte) error {
	return m.run(ctx, "Append", name, func() error {
		file, ok := m.files[name]
		if !ok {
			return fmt.Errorf("file %s: %w", name, core.ErrNotFound)
		}
		if int64(len(file)) != at {
			return fmt.Errorf("%w: file %s has %d bytes, not %d", core.ErrConflict, name, len(file), at)
		}
		m.files[name] = append(file, data...)
		return nil
	})
}

// ReadAt reads from a file.
func (m *Memory) ReadAt(ctx context.Context, name string, p []byte, offset int64) (n int, err error) {
	err = m.run(ctx, "ReadAt", name, func() error {
		file, ok := m.files[name]
		if !ok {
			return fmt.Errorf("file %s: %w", name, core.ErrNotFound)
		}
		n = copy(p, file[min(offset, int64(len(file))):])
		m.read += int64(n)
		if n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// List yields the files as they are when the iteration begins.
func (m *Memory) List(ctx context.Context, prefix, from string) iter.Seq2[segment.FileInfo, error] {
	return func(yield func(segment.FileInfo, error) bool) {
		var found []segment.FileInfo
		err := m.run(ctx, "List", prefix, func() error {
			for _, name := range slices.Sorted(maps.Keys(m.files)) {
				if strings.HasPrefix(name, prefix) && name >= from {
					found = append(found, segment.FileInfo{Name: name, Size: int64(len(m.files[name]))})
				}
			}
			return nil
		})
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

// Create makes a file if it is absent.
func (m *Memory) Create(ctx context.Context, name string, data []byte) error {
	return m.run(ctx, "Create", name, func() error {
		if _, ok := m.files[name]; ok {
			return fmt.Errorf("%w: file %s exists", core.ErrConflict, name)
		}
		m.files[name] = append([]byte{}, data...)
		return nil
	})
}

// Put makes or replaces a file.
func (m *Memory) Put(ctx context.Context, name string, data []byte) error {
	return m.run(ctx, "Put", name, func() error {
		m.files[name] = append([]byte{}, data...)
		return nil
	})
}

// Remove deletes a file.
func (m *Memory) Remove(ctx context.Context, name string) error {
	return m.run(ctx, "Remove", name, func() error {
		delete(m.files, name)
		return nil
	})
}

// Cut shortens a file to length at, if exactly torn stands behind that.
func (m *Memory) Cut(ctx context.Context, name string, at int64, torn []byte) error {
	return m.run(ctx, "Cut", name, func() error {
		file, ok := m.files[name]
		if !ok {
			return fmt.Errorf("file %s: %w", name, core.ErrNotFound)
		}
		if int64(len(file)) < at || !bytes.Equal(file[at:], torn) {
			return fmt.Errorf("%w: file %s does not end with the %d bytes at %d", core.ErrConflict, name, len(torn), at)
		}
		m.files[name] = file[:at:at]
		return nil
	})
}
