package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"eventstore/core"
)

// writeTries is how often a statement is sent whose outcome is unknown, or that lost
// against another (a deadlock).
const writeTries = 4

// writing is how far one statement's writes have come.
type writing struct {
	documents *Documents
	database  *database
	versions  []string // of the whole call
	unsure    bool     // a statement was sent whose answer was lost
}

// writeSQL makes each write whose document has the version that it expects, and answers the
// places of those.
const writeSQL = `
with writes as materialized (
	select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[])
		as w (place, collection, name, key, value, version, expect)
), inserted as (
	insert into {events} (collection, name, key, value, version)
	select w.collection, w.name, w.key, w.value, w.version from writes w where w.expect is null and w.value is not null
	order by w.place
	on conflict do nothing
	returning collection, name
), updated as (
	update {events} d set value = w.value, version = w.version
	from writes w
	where d.collection = w.collection and d.name = w.name and d.version = w.expect and w.value is not null
	returning d.collection, d.name
), deleted as (
	delete from {events} d using writes w
	where d.collection = w.collection and d.name = w.name and d.version = w.expect and w.value is null
	returning d.collection, d.name
)
select w.place from writes w join (
	select * from inserted union all select * from updated union all select * from deleted
) made on made.collection = w.collection and made.name = w.name
union all
select w.place from writes w where w.expect is null and w.value is null
	and not exists (select from {events} d where d.collection = w.collection and d.name = w.name)`

// run makes writes, and tells their versions. A statement whose answer was lost is sent
// again: its writes have the versions that they had, so that each is made once at most.
func (w *writing) run(ctx context.Context, left []pending) error {
	for try := 1; ; try++ {
		made, err := w.send(ctx, left)
		if err == nil {
			left = w.note(left, made)
			return w.refused(ctx, left)
		}
		w.unsure = w.unsure || errors.Is(err, core.ErrUnknown)
		// A conflict is a deadlock with other writes here, and what is no refusal a broken connection.
		again := w.unsure || errors.Is(err, core.ErrConflict) || refusal(err) == nil
		if !again || try == writeTries || sleep(ctx, time.Duration(try*try)*30*time.Millisecond) != nil {
			return w.failed(err)
		}
	}
}

// send has the statement executed, and returns the places of the writes that were made.
func (w *writing) send(ctx context.Context, writes []pending) (made map[int]bool, err error) {
	made = map[int]bool{}
	s := w.documents.tables.statement("write", writeSQL)
	err = w.database.writeRows(ctx, s, writeParameters(writes), func(r row) { made[int(r.bigint(0))] = true })
	return made, err
}

func writeParameters(writes []pending) *parameters {
	n, p := len(writes), new(parameters)
	places := make([]int64, n)
	for i := range writes {
		places[i] = int64(writes[i].index)
	}
	p.bigints(places)
	p.texts(n, func(i int) string { return writes[i].collection })
	p.texts(n, func(i int) string { return writes[i].name })
	p.byteStrings(n, func(i int) []byte { return []byte(writes[i].Key) })
	p.byteStrings(n, func(i int) []byte { return writes[i].Value })
	p.texts(n, func(i int) string { return writes[i].version })
	p.texts(n, func(i int) string { return writes[i].expected() })
	return p
}

// expected is the version that a write expects, or one that no document has where the
// caller's can't be one.
func (p *pending) expected() string {
	if p.Expect == "" || storable(p.Expect) {
		return p.Expect
	}
	return "none"
}

// note tells the versions of the writes that were made, and returns the others.
func (w *writing) note(writes []pending, made map[int]bool) (left []pending) {
	for _, p := range writes {
		switch {
		case !made[p.index]:
			left = append(left, p)
		case p.Value != nil:
			w.versions[p.index] = p.version
		}
	}
	return left
}

// refused is what it means that writes were not made: a conflict, unless an answer was lost
// before. Then those that are found in place were made, and of the others it can't be known
// whether they were made and have been replaced since.
func (w *writing) refused(ctx context.Context, left []pending) error {
	if len(left) == 0 {
		return nil
	}
	if !w.unsure {
		return fmt.Errorf("document %q of %q: %w", left[0].Key, left[0].Collection, core.ErrConflict)
	}
	made, err := w.readBack(ctx, left)
	if err != nil {
		return w.failed(err)
	}
	if left = w.note(left, made); len(left) == 0 {
		return nil
	}
	return w.failed(errors.New("another version is there now"))
}

const readBackSQL = `
select w.place from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as w (place, collection, name, version)
left join {events} d on d.collection = w.collection and d.name = w.name
where d.version is not distinct from w.version`

// readBack finds the writes that are in place: what was put is there with its version, what
// was deleted is not there.
func (w *writing) readBack(ctx context.Context, writes []pending) (made map[int]bool, err error) {
	n, p := len(writes), new(parameters)
	places := make([]int64, n)
	for i := range writes {
		places[i] = int64(writes[i].index)
	}
	p.bigints(places)
	p.texts(n, func(i int) string { return writes[i].collection })
	p.texts(n, func(i int) string { return writes[i].name })
	p.texts(n, func(i int) string {
		if writes[i].Value == nil {
			return ""
		}
		return writes[i].version
	})
	s := statement{sql: w.documents.tables.sql(readBackSQL)}
	err = w.database.read(ctx, s, p, func() { made = map[int]bool{} }, func(r row) { made[int(r.bigint(0))] = true })
	return made, err
}

// failed is the error of writes that were given up.
func (w *writing) failed(err error) error {
	switch {
	case w.unsure:
		return fmt.Errorf("writing documents: %w: %v", core.ErrUnknown, err)
	case errors.Is(err, core.ErrConflict):
		return fmt.Errorf("writing documents: %w: %v", core.ErrUnavailable, err)
	}
	return fmt.Errorf("writing documents: %w", err)
}
