package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"eventstore/core"
)

// all yields the projections that are not deleted, by name.
func (p *Projections) all(ctx context.Context) iter.Seq2[*control, error] {
	return p.listed(ctx, "", func(c *control) bool { return !c.Deleted })
}

func (p *Projections) listed(ctx context.Context, after string, selected func(*control) bool) iter.Seq2[*control, error] {
	return func(yield func(*control, error) bool) {
		for document, err := range p.config.Documents.List(ctx, controls, core.ListQuery{After: after}) {
			if err != nil {
				yield(nil, fmt.Errorf("listing projections: %w", err))
				return
			}
			c, err := decodeControl(document)
			if err != nil {
				p.config.Log.ErrorContext(ctx, "a projection can't be read", "name", document.Key, "cause", err)
				continue // the others go on
			}
			if selected(c) && !yield(c, nil) {
				return
			}
		}
	}
}

// collect deletes the documents of versions that nobody needs any more, of deleted projections too.
func (p *Projections) collect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.PassTime)
	defer cancel()
	var failures []error
	for c, err := range p.listed(ctx, "", func(c *control) bool { return len(c.Garbage) > 0 }) {
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		for _, g := range c.Garbage {
			if err := p.sweep(ctx, c.Name, g); err != nil && ctx.Err() == nil {
				failures = append(failures, fmt.Errorf("deleting version %d of %q: %w", g.Version, c.Name, err))
			}
		}
	}
	return errors.Join(failures...)
}

// sweep deletes a version's documents, and once no run can still be writing any, the version itself.
func (p *Projections) sweep(ctx context.Context, name string, g garbage) error {
	if p.config.Now().Sub(g.Since) < p.config.Grace {
		return nil
	}
	for _, collection := range []string{checkCollection(name, g.Version), collectionOf(name, g.Version)} {
		if err := p.empty(ctx, collection); err != nil {
			return err
		}
	}
	key := definitionKey(name, g.Version)
	for _, collection := range []string{definitions, leases} {
		document, err := p.config.Documents.Get(ctx, collection, key)
		if err == nil {
			_, err = p.config.Documents.Write(ctx, core.Write{Collection: collection, Key: key, Expect: document.Version})
		}
		if err != nil && !errors.Is(err, core.ErrNotFound) {
			return err
		}
	}
	_, err := p.update(ctx, name, func(c *control) error {
		c.Garbage = slices.DeleteFunc(c.Garbage, func(other garbage) bool { return other.Version == g.Version })
		return nil
	})
	return err
}

// empty deletes all documents of a collection.
func (p *Projections) empty(ctx context.Context, collection string) error {
	for {
		var writes []core.Write
		for document, err := range p.config.Documents.List(ctx, collection, core.ListQuery{Limit: writeBatch}) {
			if err != nil {
				return err
			}
			writes = append(writes, core.Write{Collection: collection, Key: document.Key, Expect: document.Version})
		}
		if len(writes) == 0 {
			return nil
		}
		if _, err := p.config.Documents.Write(ctx, writes...); err != nil && !errors.Is(err, core.ErrConflict) {
			return err
		}
	}
}
