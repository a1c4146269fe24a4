package segment

import (
	"context"
	"iter"
	"maps"
	"slices"
)

// mergeRuns writes one run of what several, which follow each other, hold.
func mergeRuns(ctx context.Context, files Files, runs []*run) (*run, error) {
	inputs := make([]*input, len(runs))
	for i, r := range runs {
		next, stop := iter.Pull2(r.entries(ctx, files))
		defer stop()
		inputs[i] = &input{next: next}
		inputs[i].step()
	}
	w := newRunWriter(files, runs[0].from, runs[len(runs)-1].to)
	for {
		e, ok, err := smallest(inputs)
		if err != nil {
			return nil, err
		}
		if !ok {
			return w.finish(ctx)
		}
		if err := w.add(ctx, e); err != nil {
			return nil, err
		}
	}
}

// input is a run's entries, and the one it stands at.
type input struct {
	next func() (entry, error, bool)
	at   entry
	err  error
	ok   bool
}

func (i *input) step() { i.at, i.err, i.ok = i.next() }

// smallest is the entry with the smallest key, joined with those of the same key in later
// inputs; the inputs that had it step on.
func smallest(inputs []*input) (e entry, ok bool, err error) {
	var having []*input
	for _, in := range inputs {
		switch {
		case in.err != nil:
			return e, false, in.err
		case !in.ok:
		case len(having) == 0 || in.at.key < having[0].at.key:
			having = append(having[:0], in)
		case in.at.key == having[0].at.key:
			having = append(having, in)
		}
	}
	if len(having) == 0 {
		return e, false, nil
	}
	e = entry{having[0].at.key, slices.Clone(having[0].at.posting)}
	if len(having) > 1 {
		if e.posting, err = join(having); err != nil {
			return e, false, err
		}
	}
	for _, in := range having {
		in.step()
	}
	return e, true, nil
}

func join(having []*input) ([]byte, error) {
	var all posting
	for i, in := range having {
		p, ok := decodePosting(in.at.posting)
		if !ok {
			return nil, errBadIndex
		}
		if i > 0 {
			p = all.joined(p)
		}
		all = p
	}
	return all.appendTo(nil), nil
}

// entries yields a run's entries, in order.
func (r *run) entries(ctx context.Context, files Files) iter.Seq2[entry, error] {
	const step = 64 // pages read at once
	return func(yield func(entry, error) bool) {
		for n, part := range r.parts {
			for from := 0; from < part.pages; from += step {
				pages, err := readPages(ctx, files, r, n, from, min(from+step, part.pages))
				if err != nil {
					yield(entry{}, err)
					return
				}
				for _, p := range pages {
					for e := range p.all {
						if !yield(e, nil) {
							return
						}
					}
				}
			}
		}
	}
}

// write writes the index of one segment as a run.
func (r *recent) write(ctx context.Context, files Files, ordinal int) (*run, error) {
	w := newRunWriter(files, ordinal, ordinal+1)
	for _, k := range slices.Sorted(maps.Keys(r.newest)) {
		p := posting{kind: finePosting}
		for _, block := range r.blocks(k).list {
			p.list = append(p.list, spot(ordinal, block))
		}
		if err := w.add(ctx, entry{k, p.appendTo(nil)}); err != nil {
			return nil, err
		}
	}
	return w.finish(ctx)
}
