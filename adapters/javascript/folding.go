package javascript

import (
	"context"
	"slices"
	"sync"

	"eventstore/core"
)

// maxDocuments is about the most bytes of documents in a call into a sandbox.
const maxDocuments = 4 << 20

// A folding is one call of Fold: the documents as they are after the steps so far.
type folding struct {
	program *Program
	mu      sync.Mutex
	texts   []string // guarded by mu
	alive   []bool   // guarded by mu
}

// run takes the steps. Parts that are loaded side by side work at once, each on those documents that no earlier part has
// steps for any more; so every document sees its events in their order.
func (f *folding) run(ctx context.Context, steps [][2]int) error {
	parts := f.program.parts
	todo := f.byPart(steps)
	if len(parts) > f.program.engine.workers() {
		for i, pt := range parts {
			if err := f.part(ctx, pt, todo[i]); err != nil {
				return err
			}
		}
		return nil
	}
	for slices.ContainsFunc(todo, func(steps [][2]int) bool { return len(steps) > 0 }) {
		if err := f.round(ctx, parts, todo); err != nil {
			return err
		}
	}
	return nil
}

func (f *folding) byPart(steps [][2]int) [][][2]int {
	todo, at := make([][][2]int, len(f.program.parts)), 0
	for _, step := range steps {
		for pt := f.program.parts[at]; step[0] >= pt.first+len(pt.events); pt = f.program.parts[at] {
			at++
		}
		todo[at] = append(todo[at], step)
	}
	return todo
}

// round lets every part take those of its steps that no earlier part is in the way of.
func (f *folding) round(ctx context.Context, parts []*part, todo [][][2]int) error {
	taken := make([]int, len(f.texts)) // the first part that has steps for the document, plus one
	errs := make([]error, len(parts))
	var working sync.WaitGroup
	for i, pt := range parts {
		now, later := [][2]int{}, [][2]int{}
		for _, step := range todo[i] {
			if owner := &taken[step[1]]; *owner == 0 || *owner == i+1 {
				*owner = i + 1
				now = append(now, step)
			} else {
				later = append(later, step)
			}
		}
		todo[i] = later
		if len(now) > 0 {
			working.Go(func() { errs[i] = f.part(ctx, pt, now) })
		}
	}
	working.Wait()
	return first(errs)
}

// part takes a part's steps, one by one where they fail together.
func (f *folding) part(ctx context.Context, pt *part, steps [][2]int) error {
	for len(steps) > 0 {
		n := f.callSize(steps)
		err := f.call(ctx, pt, steps[:n])
		if err == nil {
			f.program.paced(n, pt.box.took())
		} else {
			f.program.unload(pt)
			if n == 1 && len(pt.events) == 1 || ctx.Err() != nil {
				return asEvent(ctx, pt.first, err)
			}
			if err := f.oneByOne(ctx, pt, steps[:n]); err != nil {
				return err
			}
		}
		steps = steps[n:]
	}
	if len(f.program.parts) > f.program.engine.workers() {
		f.program.unload(pt)
	}
	return nil
}

func (f *folding) oneByOne(ctx context.Context, pt *part, steps [][2]int) error {
	singles := pt.singles()
	for _, step := range steps {
		single := singles[step[0]-pt.first]
		err := f.call(ctx, single, [][2]int{step})
		f.program.unload(single)
		if err != nil {
			return asEvent(ctx, single.first, err)
		}
	}
	return nil
}

// callSize is how many of the steps go into one call.
func (f *folding) callSize(steps [][2]int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := 0
	for n, step := range steps {
		if size += len(f.texts[step[1]]); n > 0 && size > maxDocuments {
			return n
		}
	}
	return len(steps)
}

// call takes steps in one call into the part's sandbox, and keeps what comes of them.
func (f *folding) call(ctx context.Context, pt *part, steps [][2]int) error {
	if pt.box == nil {
		if err := f.program.load(ctx, pt); err != nil {
			return err
		}
	}
	local, numbers, err := f.local(ctx, pt, steps)
	if err != nil {
		return err
	}
	documents := make([]string, len(numbers))
	f.mu.Lock()
	for i, d := range numbers {
		documents[i] = f.texts[d]
	}
	f.mu.Unlock()
	after, err := pt.box.fold(ctx, local, documents)
	if err != nil {
		return err
	}
	return f.keep(numbers, after)
}

// local numbers the steps' events and documents as the sandbox does. An event with several keys is given to each
// handler as a copy of its own, so that what one does to it the next can't see.
func (f *folding) local(ctx context.Context, pt *part, steps [][2]int) (local [][2]int, numbers []int, err error) {
	known, copies := map[int]int{}, []core.Event{}
	for _, step := range steps {
		e, d := step[0]-pt.first, step[1]
		at, ok := known[d]
		if !ok {
			at = len(numbers)
			known[d] = at
			numbers = append(numbers, d)
		}
		place := e
		if len(pt.keys[e]) > 1 {
			place = pt.loaded + len(copies)
			copies = append(copies, pt.events[e])
		}
		local = append(local, [2]int{place, at})
	}
	if len(copies) > 0 {
		err = pt.box.load(ctx, copies, true)
		pt.loaded += len(copies)
	}
	return local, numbers, err
}

func (f *folding) keep(numbers []int, after []folded) error {
	for i := range after {
		if err := checkDocument(after[i].text); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, d := range numbers {
		f.texts[d] = after[i].text
		f.alive[d] = f.alive[d] || after[i].state != 'n'
	}
	return nil
}
