// Package postgres keeps topics and documents in PostgreSQL. See README.md for the life of an
// append, what a role needs, poolers and the sizes of pools.
package postgres

import (
	"context"
	"fmt"
	"time"

	"eventstore/core"
)

// Log is a core.Log in one table of events, with a row beside it that is its head.
type Log struct {
	database *database
	tables   tables
	identity string

	appends, heads, finds statement
}

var (
	_ core.Log     = (*Log)(nil)
	_ core.Closer  = (*Log)(nil)
	_ core.Watcher = (*Log)(nil)
)

func newLog(d *database, t tables, identity string) *Log {
	return &Log{
		database: d, tables: t, identity: identity,
		appends: t.statement("append", appendSQL),
		heads:   t.statement("head", headSQL),
		finds:   t.statement("find", findSQL),
	}
}

// appendSQL moves the head from where it is expected, and stores events behind it. Who comes
// second waits for the head's row, sees that it has moved, and stores nothing.
const appendSQL = `
with head as (
	update {head} set position = $1, hash = $2, recorded = $3
	where position = $4 and hash = $5 and not closed
	returning position
), tags as (
	insert into {tags} (tag, position)
	select t.tag, t.position from head, unnest($19::text[], $20::bigint[]) as t (tag, position)
)
insert into {events} (position, id, type, source, subject, tags, time, recorded, more,
	data_content_type, data, data_base64, metadata, hash)
select $4 + e.n, e.id, e.type, e.source, e.subject, e.tags::text[], e.time, e.recorded, e.more,
	e.data_content_type, e.data::json, e.data_base64, e.metadata::json, e.hash
from head, unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[],
	$13::boolean[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bytea[]) with ordinality
	as e (id, type, source, subject, tags, time, recorded, more, data_content_type, data, data_base64, metadata, hash, n)`

// Append stores events behind after, in one statement, if the head is still after.
func (l *Log) Append(ctx context.Context, after core.Head, events []core.Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	if len(events) == 0 {
		return nil
	}
	stored, err := l.database.write(ctx, l.appends, appendParameters(after, events))
	if err != nil {
		return fmt.Errorf("appending to %s: %w", l.tables.place(), err)
	}
	if stored == 0 {
		return l.refusal(ctx, after)
	}
	l.database.hints.tell(l.identity)
	return nil
}

func appendParameters(after core.Head, events []core.Event) *parameters {
	n, last := len(events), &events[len(events)-1]
	p := &parameters{values: make([][]byte, 0, 20), types: make([]uint32, 0, 20)}
	p.bigint(int64(last.Position))
	p.bytes(last.Hash[:])
	p.timestamp(last.Recorded)
	p.bigint(int64(after.Position))
	p.bytes(after.Hash[:])
	p.texts(n, func(i int) string { return events[i].ID })
	p.texts(n, func(i int) string { return events[i].Type })
	p.texts(n, func(i int) string { return events[i].Source })
	p.texts(n, func(i int) string { return events[i].Subject })
	p.texts(n, func(i int) string { return arrayLiteral(events[i].Tags) })
	p.timestamps(n, func(i int) time.Time { return events[i].Time })
	p.timestamps(n, func(i int) time.Time { return events[i].Recorded })
	p.bools(n, func(i int) bool { return events[i].More })
	p.texts(n, func(i int) string { return events[i].DataContentType })
	p.texts(n, func(i int) string { return events[i].Data })
	p.texts(n, func(i int) string { return events[i].DataBase64 })
	p.texts(n, func(i int) string { return events[i].Metadata })
	p.byteStrings(n, func(i int) []byte { return events[i].Hash[:] })
	tags, positions := tagRows(events)
	p.textList(tags)
	p.bigints(positions)
	return p
}

// tagRows are the rows that events add to the table of tags.
func tagRows(events []core.Event) (tags []string, positions []int64) {
	for i := range events {
		for _, tag := range events[i].Tags {
			tags, positions = append(tags, tag), append(positions, int64(events[i].Position))
		}
	}
	return tags, positions
}

// refusal says why the head was not the expected one.
func (l *Log) refusal(ctx context.Context, after core.Head) error {
	head, closed, err := l.head(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the head of %s is not at %d", core.ErrConflict, l.tables.place(), after.Position)
	case closed:
		return fmt.Errorf("appending to %s: %w", l.tables.place(), core.ErrClosed)
	}
	return fmt.Errorf("%w: the head of %s is at %d, not at %d", core.ErrConflict, l.tables.place(), head.Position, after.Position)
}

const headSQL = `select position, hash, recorded, closed from {head}`

// Head reports the last event's position, hash and recorded time.
func (l *Log) Head(ctx context.Context) (core.Head, error) {
	head, _, err := l.head(ctx)
	if err != nil {
		return core.Head{}, fmt.Errorf("reading the head of %s: %w", l.tables.place(), err)
	}
	return head, nil
}

func (l *Log) head(ctx context.Context) (head core.Head, closed bool, err error) {
	rows, bad := 0, error(nil)
	err = l.database.read(ctx, l.heads, new(parameters), func() { rows = 0 }, func(r row) {
		rows++
		head, bad = r.head(0)
		closed = r.bool(3)
	})
	if err == nil && (rows != 1 || bad != nil) {
		err = &core.CorruptError{Place: l.tables.quoted("_head"), Reason: headReason(rows, bad)}
	}
	return head, closed, err
}

// head makes a head of a row's position, hash and recorded, which begin at column i.
func (r row) head(i int) (head core.Head, err error) {
	head.Position = core.Position(r.bigint(i))
	if head.Hash, err = r.hash(i + 1); err == nil {
		head.Recorded, err = r.time(i + 2)
	}
	return head, err
}

func headReason(rows int, bad error) string {
	if bad != nil {
		return bad.Error()
	}
	return fmt.Sprintf("it has %d rows, not one", rows)
}

const findSQL = `select id, position from {events} where id = any($1)`

// Find reports the positions of the events that have these ids.
func (l *Log) Find(ctx context.Context, ids []string) (map[string]core.Position, error) {
	var found map[string]core.Position
	begin := func() { found = map[string]core.Position{} }
	if ids = storables(ids); len(ids) == 0 {
		begin()
		return found, ctx.Err()
	}
	p := new(parameters)
	p.textList(ids)
	err := l.database.read(ctx, l.finds, p, begin, func(r row) { found[r.text(0)] = core.Position(r.bigint(1)) })
	if err != nil {
		return nil, fmt.Errorf("looking for %d ids in %s: %w", len(ids), l.tables.place(), err)
	}
	return found, nil
}

const closeSQL = `update {head} set closed = true where position = $1 and hash = $2`

// CloseLog closes the log for good, if its head is still after: the head's row says so.
func (l *Log) CloseLog(ctx context.Context, after core.Head) error {
	p := new(parameters)
	p.bigint(int64(after.Position))
	p.bytes(after.Hash[:])
	closed, err := l.database.write(ctx, statement{sql: l.tables.sql(closeSQL)}, p)
	if err != nil {
		return fmt.Errorf("closing %s: %w", l.tables.place(), err)
	}
	if closed == 0 {
		return l.closingRefused(ctx, after)
	}
	return nil
}

// closingRefused is nil where the log was closed already: closing it again, at whatever
// head, changes nothing.
func (l *Log) closingRefused(ctx context.Context, after core.Head) error {
	if _, closed, err := l.head(ctx); err == nil && closed {
		return nil
	}
	return fmt.Errorf("closing %s: %w: the head is not at %d", l.tables.place(), core.ErrConflict, after.Position)
}

// Watch tells of appends by any process that are hinted at.
func (l *Log) Watch(ctx context.Context) <-chan struct{} {
	return l.database.hints.watch(ctx, l.identity)
}
