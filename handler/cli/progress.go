package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Progress draws on a terminal how far long work has come. A nil one draws nothing.
type Progress struct {
	w     io.Writer
	what  string
	total int64 // 0: not known
	last  time.Time
	drawn bool
}

// NewProgress draws on w, where that is a terminal; total is what Done counts to, 0 where that is not known.
func NewProgress(w io.Writer, what string, total int64) *Progress {
	file, ok := w.(*os.File)
	if !ok || !isTerminal(file) {
		return nil
	}
	return &Progress{w: file, what: what, total: total}
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// often is the least time between two drawings.
const often = 200 * time.Millisecond

// Done says how much is done, and what else there is to say.
func (p *Progress) Done(done int64, note string) {
	if p == nil || time.Since(p.last) < often {
		return
	}
	p.last, p.drawn = time.Now(), true
	_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s %s %s", p.what, bar(done, p.total), note)
}

// End ends the line, if one was drawn.
func (p *Progress) End() {
	if p != nil && p.drawn {
		_, _ = fmt.Fprintln(p.w)
	}
}

// bar is a bar, or the number where it is not known what it is of.
func bar(done, total int64) string {
	const width = 30
	if total <= 0 {
		return fmt.Sprint(done)
	}
	part := min(max(float64(done)/float64(total), 0), 1)
	return fmt.Sprintf("[%-*s] %3.0f %%", width, strings.Repeat("#", int(width*part)), 100*part)
}
