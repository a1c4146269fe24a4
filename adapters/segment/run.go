package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/zeebo/xxh3"
)

// run is an index of some segments that follow each other: for every key the blocks in which it
// is. Its entries are in parts, files of at most partPages pages, which are never changed.
type run struct {
	id       string // random
	from, to int    // the ordinals of the segments: from inclusive, to exclusive
	parts    []runPart
}

type runPart struct {
	first key // of its entries
	pages int
}

const partPages = 1024

func (r *run) partName(n int) string { return fmt.Sprintf("%s%s-%d", Derived, r.id, n) }

// seed makes the checksums of a part's pages differ from those of every other part, so that
// a page is never taken for another.
func (r *run) seed(n int) uint64 { return xxh3.HashString(r.partName(n)) }

// errBadIndex says that an index is not as it was written. It is built anew.
var errBadIndex = errors.New("index is damaged")

// find is the posting of a key; empty when the key is in none of the run's segments.
func (r *run) find(ctx context.Context, files Files, k key) (posting, error) {
	n := sort.Search(len(r.parts), func(i int) bool { return r.parts[i].first > k }) - 1
	if n < 0 {
		return posting{}, nil
	}
	s := search{files: files, run: r, part: n, key: k, high: r.parts[n].pages}
	encoded, err := s.find(ctx)
	if err != nil || encoded == nil {
		return posting{}, err
	}
	p, ok := decodePosting(encoded)
	if !ok {
		return p, fmt.Errorf("%w: %s has no posting of %x", errBadIndex, r.partName(n), k)
	}
	return p, nil
}

// search looks for a key in one part's pages.
type search struct {
	files     Files
	run       *run
	part      int
	key       key
	low, high int // the pages, low inclusive and high exclusive, that may hold it
}

// around is how many pages are read on each side of the one that is guessed: of a full part of
// ids, the page is among them 99 times of 100.
const around = 2

func (s *search) find(ctx context.Context) (encoded []byte, err error) {
	guess := s.guess()
	for s.low < s.high {
		from, to := max(guess-around, s.low), min(guess+around+1, s.high)
		pages, err := readPages(ctx, s.files, s.run, s.part, from, to)
		if err != nil {
			return nil, err
		}
		if s.key < pages[0].first() {
			s.high = from
		} else if encoded, beyond := findIn(pages, s.key); !beyond {
			return encoded, nil
		} else {
			s.low = to
		}
		guess = (s.low + s.high) / 2
	}
	return nil, nil
}

// findIn is the posting of a key in pages that follow each other, of which the first does not begin
// behind it; beyond, it may be in a later page.
func findIn(pages []page, k key) (posting []byte, beyond bool) {
	n := sort.Search(len(pages), func(i int) bool { return pages[i].first() > k }) - 1
	posting, beyond = pages[n].find(k)
	return posting, beyond && n == len(pages)-1
}

// guess is the page where the key is if keys are spread evenly.
func (s *search) guess() int {
	first, next := s.run.parts[s.part].first, key(math.MaxUint64)
	if s.part+1 < len(s.run.parts) {
		next = s.run.parts[s.part+1].first
	}
	share := float64(s.key-first) / (float64(next-first) + 1)
	return min(int(share*float64(s.high)), s.high-1)
}

// readPages reads some pages of a part.
func readPages(ctx context.Context, files Files, r *run, part, from, to int) ([]page, error) {
	bytes := make([]byte, (to-from)*pageSize)
	n, err := files.ReadAt(ctx, r.partName(part), bytes, int64(from)*pageSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n < len(bytes) {
		return nil, fmt.Errorf("%w: %s is too short", errBadIndex, r.partName(part))
	}
	pages := make([]page, to-from)
	for i := range pages {
		pages[i] = bytes[i*pageSize:][:pageSize]
		if !checkPage(pages[i], r.seed(part), from+i) {
			return nil, fmt.Errorf("%w: page %d of %s has another checksum", errBadIndex, from+i, r.partName(part))
		}
	}
	return pages, nil
}

// runWriter writes a run, part by part.
type runWriter struct {
	files Files
	run   run
	page  pageWriter
	bytes []byte // of the part under way
	pages int    // in bytes
}

func newRunWriter(files Files, from, to int) *runWriter {
	return &runWriter{files: files, run: run{id: randomText(8), from: from, to: to}}
}

// add adds an entry; keys come in order.
func (w *runWriter) add(ctx context.Context, e entry) error {
	if w.page.count == 0 && w.pages == 0 {
		w.run.parts = append(w.run.parts, runPart{first: e.key})
	}
	if w.page.add(e) {
		return nil
	}
	if err := w.endPage(ctx, partPages); err != nil {
		return err
	}
	return w.add(ctx, e)
}

// endPage ends the page under way, and the part if that has most pages.
func (w *runWriter) endPage(ctx context.Context, most int) error {
	part := len(w.run.parts) - 1
	w.bytes = append(w.bytes, w.page.finish(w.run.seed(part), w.pages)...)
	w.pages++
	if w.pages < most {
		return nil
	}
	w.run.parts[part].pages = w.pages
	if err := w.files.Put(ctx, w.run.partName(part), w.bytes); err != nil {
		return fmt.Errorf("writing an index: %w", err)
	}
	w.bytes, w.pages = w.bytes[:0], 0
	return nil
}

// finish writes what is left, and is the run.
func (w *runWriter) finish(ctx context.Context) (*run, error) {
	if w.page.count > 0 {
		if err := w.endPage(ctx, 0); err != nil {
			return nil, err
		}
	}
	return &w.run, nil
}
