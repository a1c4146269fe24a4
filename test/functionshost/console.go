package functionshost

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// console keeps what the handler writes, line by line, with the level the host gives it.
type console struct {
	output io.Writer

	mu   sync.Mutex
	said []string // guarded by mu
}

// stream takes the handler's stdout or stderr.
func (c *console) stream(stderr bool) io.Writer { return &stream{console: c, stderr: stderr} }

type stream struct {
	console *console
	stderr  bool
	partial []byte
}

func (s *stream) Write(p []byte) (int, error) {
	s.partial = append(s.partial, p...)
	for {
		line, rest, whole := bytes.Cut(s.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		s.console.note(s.level(string(line)), string(line))
		s.partial = rest
	}
}

func (s *stream) level(line string) string {
	switch {
	case !s.stderr:
		return "Information"
	case strings.Contains(strings.ToLower(line), "warn"):
		return "Warning"
	}
	return "Error"
}

func (c *console) note(level, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, level+": "+line)
	if c.output != nil {
		fmt.Fprintf(c.output, "%s: %s\n", level, line)
	}
}

func (c *console) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said)
}
