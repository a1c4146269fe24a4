package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"eventstore/core"
)

// A migration is a step from one version of the tables to the next. They are numbered by
// their place, never edited, and none drops anything.
type migration string

//go:embed log_1.sql
var log1 migration

//go:embed documents_1.sql
var documents1 migration

var (
	logMigrations       = []migration{log1}
	documentsMigrations = []migration{documents1}
)

const (
	// setUpLock is the advisory lock under which tables are made, everywhere in a database.
	setUpLock = 0x65767473746f7265
	// setUpWait is how long an instance waits for another that is making tables.
	setUpWait = 30 * time.Second
)

// setUp makes the tables that are missing, or brings them to the newest version, in one
// transaction and by one instance at a time.
func (d *database) setUp(ctx context.Context, t tables, migrations []migration) error {
	conn, err := d.acquire(ctx)
	if err != nil {
		return translate(&unsentError{err}, core.ErrUnknown)
	}
	defer conn.Release()
	if encoding := conn.Conn().PgConn().ParameterStatus("server_encoding"); encoding != "" && encoding != "UTF8" {
		return wrongEncoding(encoding)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*setUpWait)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		return t.migrate(ctx, tx, migrations)
	})
	if exists(err) {
		return t.taken()
	}
	return translate(err, core.ErrUnknown)
}

// taken is the error of names under which there is something else.
func (t tables) taken() error {
	return core.Invalid("table", "%s, or one of its _head and _tags, is there already and is something else: choose another name", t.place())
}

// migrate uses the simple protocol, which prepares nothing and takes several commands at once.
func (t tables) migrate(ctx context.Context, tx pgx.Tx, migrations []migration) error {
	begin := fmt.Sprintf("set local lock_timeout = %s; select pg_advisory_xact_lock(%d)", milliseconds(setUpWait), int64(setUpLock))
	if _, err := tx.Exec(ctx, begin, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	format, err := t.format(ctx, tx)
	if err != nil {
		return err
	}
	if format == 0 {
		if err := t.createSchema(ctx, tx); err != nil {
			return err
		}
	}
	for ; format < len(migrations); format++ {
		if _, err := tx.Exec(ctx, t.sql(string(migrations[format])), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		update := t.sql(fmt.Sprintf("update {head} set format = %d", format+1))
		if _, err := tx.Exec(ctx, update, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// format is the version of the tables, 0 where there are none. It asks the catalog's rows, as
// to_regclass may not see what another session made while this one waited for the lock.
func (t tables) format(ctx context.Context, tx pgx.Tx) (format int, err error) {
	var there bool
	err = tx.QueryRow(ctx, `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = $2)`, pgx.QueryExecModeSimpleProtocol, t.schema, t.table+"_head").Scan(&there)
	if err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, t.sql("select format from {head}"), pgx.QueryExecModeSimpleProtocol).Scan(&format)
	return format, err
}

// createSchema makes the schema where it is absent. It asks first, since whoever may use a
// schema is often not allowed to make one.
func (t tables) createSchema(ctx context.Context, tx pgx.Tx) error {
	var there bool
	err := tx.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", pgx.QueryExecModeSimpleProtocol, t.schema).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.Exec(ctx, t.sql("create schema {schema}"), pgx.QueryExecModeSimpleProtocol)
	return err
}
