package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"eventstore/core"
)

// documentsTable is the table of all documents of a schema; their collections and keys are
// there as [core.EscapeKey] writes them.
const documentsTable = "eventstore_documents"

// Documents is a core.Documents in one table.
type Documents struct {
	open   func() (*database, error)
	tables tables

	mu    sync.Mutex
	ready *database // guarded by mu; set once the table is known to be there
}

var _ core.Documents = (*Documents)(nil)

// Documents are those in a schema ("" is public) of a database ("" is the instance's own). It
// connects, and makes the table, when they are used first.
func (t *Topics) Documents(connection, schema string) (*Documents, error) {
	names, err := completeTables(core.TopicConfig{Schema: schema, Table: documentsTable})
	if err != nil {
		return nil, err
	}
	if _, err := t.checked(connection); err != nil {
		return nil, err
	}
	return &Documents{open: func() (*database, error) { return t.database(connection) }, tables: names}, nil
}

// database is where the documents are, once their table is there.
func (s *Documents) database(ctx context.Context) (*database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready != nil {
		return s.ready, nil
	}
	d, err := s.open()
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, d); err != nil {
		return nil, err
	}
	s.ready = d
	return d, nil
}

const documentsOpenSQL = `select format::bigint, current_setting('server_encoding'), current_setting('synchronous_commit') from {head}`

// check makes or migrates the table where it must, and refuses a server that would lose what
// it acknowledges.
func (s *Documents) check(ctx context.Context, d *database) error {
	var format int64
	var encoding, commit string
	open := func() error {
		return d.read(ctx, statement{sql: s.tables.sql(documentsOpenSQL)}, new(parameters), func() { format = 0 }, func(r row) {
			format, encoding, commit = r.bigint(0), r.text(1), r.text(2)
		})
	}
	err := open()
	if newest := int64(len(documentsMigrations)); errors.Is(err, core.ErrForeign) || err == nil && format < newest {
		if err = d.setUp(ctx, s.tables, documentsMigrations); err == nil {
			err = open()
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("opening %s: %w", s.tables.place(), err)
	case format != int64(len(documentsMigrations)):
		return core.Invalid("connection", "names a database whose %s has format %d; this program knows formats up to %d",
			s.tables.place(), format, len(documentsMigrations))
	}
	return checkServer(encoding, commit)
}

const getSQL = `select key, value, version from {events} where collection = $1 and name = $2`

// Get reads a document.
func (s *Documents) Get(ctx context.Context, collection, key string) (core.Document, error) {
	d, err := s.database(ctx)
	if err != nil {
		return core.Document{}, err
	}
	p := new(parameters)
	p.text(core.EscapeKey(collection))
	p.text(core.EscapeKey(key))
	var found []core.Document
	err = d.read(ctx, s.tables.statement("get", getSQL), p, func() { found = nil }, func(r row) { found = append(found, r.document()) })
	if err == nil && (len(found) == 0 || found[0].Key != key) {
		err = core.ErrNotFound
	}
	if err != nil {
		return core.Document{}, fmt.Errorf("document %q of %q: %w", key, collection, err)
	}
	return found[0], nil
}

// document makes a document of a row of key, value and version.
func (r row) document() core.Document {
	return core.Document{Key: r.text(0), Value: append([]byte{}, r[1]...), Version: r.text(2)}
}

const listSQL = `
select key, value, version, name from (
	select d.*, coalesce(sum(pg_column_size(d.value)) over (order by d.name rows between unbounded preceding and 1 preceding), 0) as before
	from {events} d
	where d.collection = $1 and d.name > $2 and d.name >= $3 and ($4::text is null or d.name < $4)
	order by d.name limit $5
) d
where d.before < $6
order by d.name`

// List yields a collection's documents in the order of their keys, page by page.
func (s *Documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		if err := s.list(ctx, collection, q, yield); err != nil {
			yield(core.Document{}, fmt.Errorf("listing %q: %w", collection, err))
		}
	}
}

// list is List; what it returns is yet to be yielded.
func (s *Documents) list(ctx context.Context, collection string, q core.ListQuery, yield func(core.Document, error) bool) error {
	d, err := s.database(ctx)
	if err != nil {
		return err
	}
	after, yielded := core.EscapeKey(q.After), 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, last, err := s.page(ctx, d, collection, core.EscapedPrefix(q.Prefix), after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, document := range page {
			if !strings.HasPrefix(document.Key, q.Prefix) {
				continue // it begins alike only when escaped and cut
			}
			if yielded++; !yield(document, nil) || yielded == q.Limit {
				return nil
			}
		}
		after = last
	}
}

// page reads the documents behind an escaped key, and tells the last one's.
func (s *Documents) page(ctx context.Context, d *database, collection, prefix, after string) (page []core.Document, last string, err error) {
	p := new(parameters)
	p.text(core.EscapeKey(collection))
	p.text(after)
	p.text(prefix)
	p.optionalText(prefixEnd(prefix))
	p.bigint(pageRows)
	p.bigint(pageBytes)
	begin := func() { page, last = nil, "" }
	err = d.read(ctx, s.tables.statement("list", listSQL), p, begin, func(r row) {
		page, last = append(page, r.document()), r.text(3)
	})
	return page, last, err
}

// prefixEnd is a text behind all that begin with an escaped prefix, which is ASCII; "" if
// there is no prefix.
func prefixEnd(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}

// newVersion is the id of a write, by which it is known when it is read back.
func newVersion() string { return rand.Text() }

// pending is a write that is not known to be made or refused yet.
type pending struct {
	core.Write
	index            int // in the call
	collection, name string
	version          string
}

// Write puts and deletes documents, many in one statement. Where the answer of a statement is
// lost it reads back what became of it, and sends again what was not made, under the same
// versions.
func (s *Documents) Write(ctx context.Context, writes ...core.Write) ([]string, error) {
	versions := make([]string, len(writes))
	if err := ctx.Err(); err != nil {
		return versions, fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	d, err := s.database(ctx)
	if err != nil {
		return versions, err
	}
	all := make([]pending, len(writes))
	for i, w := range writes {
		all[i] = pending{w, i, core.EscapeKey(w.Collection), core.EscapeKey(w.Key), newVersion()}
	}
	// In one order, so that two calls that change the same documents seldom wait for each other.
	slices.SortFunc(all, func(a, b pending) int {
		return cmp.Or(strings.Compare(a.collection, b.collection), strings.Compare(a.name, b.name))
	})
	var errs []error
	for batch := range batches(all) {
		w := &writing{documents: s, database: d, versions: versions}
		if err := w.run(ctx, batch); err != nil {
			errs = append(errs, err)
		}
	}
	return versions, worst(errs)
}

// batches cuts writes into those of one statement.
func batches(all []pending) iter.Seq[[]pending] {
	return func(yield func([]pending) bool) {
		start, size := 0, 0
		for i := range all {
			if i > start && (i-start == pageRows || size+len(all[i].Value) > pageBytes) {
				if !yield(all[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += len(all[i].Value)
		}
		if start < len(all) {
			yield(all[start:])
		}
	}
}

// worst is the error of a call whose statements failed in different ways: that which
// leaves an outcome unknown, then that which tells of a conflict.
func worst(errs []error) error {
	for _, kind := range []error{core.ErrUnknown, core.ErrConflict} {
		for _, err := range errs {
			if errors.Is(err, kind) {
				return err
			}
		}
	}
	return errors.Join(errs...)
}
