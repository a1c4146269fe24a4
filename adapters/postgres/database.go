package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"eventstore/core"
)

const (
	// callTimeout ends a statement that neither the server nor the network ends; it is longer
	// than the server's own limit, whose answer says more.
	callTimeout = statementTimeout + 5*time.Second
	// readTries is how often a read is tried whose connection fails.
	readTries = 3
)

// database runs statements on one database: each is one round trip and a transaction of its
// own. Everything of one connection string shares one, and so its connections.
type database struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	// pooled is set where the other end is a pooler in transaction mode, found out by what it
	// refuses: then nothing is asked of a session.
	pooled atomic.Bool
	hints  hints
}

// statement is a command with its $1, $2 …. One with a name is prepared on each connection
// where it is run, so that it is not parsed and planned every time.
type statement struct {
	name string
	sql  string
}

// write runs a statement that changes something, and returns how many rows it changed. Once
// it has begun it goes on when ctx ends, since a write that is cut has an unknown outcome.
func (d *database) write(ctx context.Context, s statement, p *parameters) (rows int64, err error) {
	rows, err = d.run(ctx, context.WithoutCancel(ctx), s, p, nil)
	return rows, translate(err, core.ErrUnknown)
}

// writeRows is write for a statement that answers rows.
func (d *database) writeRows(ctx context.Context, s statement, p *parameters, each func(row)) error {
	_, err := d.run(ctx, context.WithoutCancel(ctx), s, p, each)
	return translate(err, core.ErrUnknown)
}

// read runs a statement that changes nothing and gives each its rows. When the connection
// fails it tries again, after calling begin, which forgets the rows so far.
func (d *database) read(ctx context.Context, s statement, p *parameters, begin func(), each func(row)) error {
	for try := 1; ; try++ {
		begin()
		_, err := d.run(ctx, ctx, s, p, each)
		if err == nil {
			return nil
		}
		translated := translate(err, core.ErrUnavailable)
		if try == readTries || ctx.Err() != nil || refusal(err) != nil {
			return translated
		}
		if err := sleep(ctx, time.Duration(try*try)*50*time.Millisecond); err != nil {
			return translated
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run has a statement executed on a connection that is waited for as long as ctx lasts, and
// for as long as running lasts. What is left of a connection after a failure is closed.
func (d *database) run(ctx, running context.Context, s statement, p *parameters, each func(row)) (int64, error) {
	conn, err := d.acquire(ctx)
	if err != nil {
		return 0, &unsentError{err}
	}
	defer conn.Release()
	running, cancel := context.WithTimeout(running, callTimeout)
	defer cancel()
	rows, err := d.runOn(running, conn.Conn().PgConn(), s, p, each)
	if !losesStatements(err) {
		return rows, err
	}
	d.usePooled(ctx, err)
	return d.runOn(running, conn.Conn().PgConn(), statement{sql: s.sql}, p, each)
}

// acquire takes a connection from the pool. A pooler that refuses the settings of a session is
// asked again without them.
func (d *database) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil && !d.pooled.Load() && refusesSession(err) {
		d.usePooled(ctx, err)
		conn, err = d.pool.Acquire(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return conn, nil
}

func (d *database) usePooled(ctx context.Context, reason error) {
	if !d.pooled.Swap(true) {
		d.log.WarnContext(ctx, "a connection pooler is in between: statements are planned at every call", "reason", reason.Error())
	}
}

// runOn executes a statement on a connection, once, in one round trip.
func (d *database) runOn(ctx context.Context, conn *pgconn.PgConn, s statement, p *parameters, each func(row)) (int64, error) {
	switch {
	case s.name == "" || d.pooled.Load():
		return consume(conn.ExecParams(ctx, s.sql, p.values, p.types, p.formats(), binaryFormats), each)
	case conn.CustomData()[s.name] != nil:
		return consume(conn.ExecPrepared(ctx, s.name, p.values, p.formats(), binaryFormats), each)
	}
	return prepareAndRun(ctx, conn, s, p, each)
}

var binaryFormats = []int16{binaryFormat}

// formats are those of all parameters.
func (p *parameters) formats() []int16 {
	if len(p.values) == 0 {
		return nil
	}
	return binaryFormats
}

// prepareAndRun prepares a statement and executes it, both in one round trip.
func prepareAndRun(ctx context.Context, conn *pgconn.PgConn, s statement, p *parameters, each func(row)) (rows int64, err error) {
	pipeline := conn.StartPipeline(ctx)
	pipeline.SendPrepare(s.name, s.sql, p.types)
	pipeline.SendQueryPrepared(s.name, p.values, p.formats(), binaryFormats)
	err = pipeline.Sync()
	for committed := false; err == nil && !committed; {
		var result any
		if result, err = pipeline.GetResults(); err != nil {
			break
		}
		switch result := result.(type) {
		case *pgconn.StatementDescription:
			conn.CustomData()[s.name] = true
		case *pgconn.ResultReader:
			rows, err = consume(result, each)
		case *pgconn.PipelineSync:
			committed = true
		default:
			err = errors.New("the connection ended before the statement did")
		}
	}
	if closed := pipeline.Close(); err == nil {
		err = closed
	}
	return rows, err
}

// consume reads a result to its end, which is where the server says that it has committed.
func consume(result *pgconn.ResultReader, each func(row)) (int64, error) {
	for result.NextRow() {
		if each != nil {
			each(row(result.Values()))
		}
	}
	tag, err := result.Close()
	return tag.RowsAffected(), err
}
