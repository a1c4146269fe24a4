package postgres

// No other file looks at SQLSTATEs.

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"eventstore/core"
)

// unsentError is one that happened before anything was sent to the server.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error     { return e.error }
func (e *unsentError) SafeToRetry() bool { return true }

// translate tells PostgreSQL's error in core's words, and keeps it. lost is what it means that
// the connection broke once the statement was on its way: [core.ErrUnknown] for a
// write, [core.ErrUnavailable] for a read.
//
// An error that the server answers has undone the statement (each is a transaction of its
// own), but for those that end the session, which may come after the commit.
func translate(err, lost error) error {
	answer := refusal(err)
	switch {
	case err == nil:
		return nil
	case answer != nil:
		return fmt.Errorf("%w: %w", meaning(answer, lost), err)
	case pgconn.SafeToRetry(err):
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", lost, err)
}

// refusal is the server's answer that a statement failed and the session goes on, nil where
// err is none: then the connection could not be made, or broke.
func refusal(err error) *pgconn.PgError {
	var answer *pgconn.PgError
	if errors.As(err, &answer) && (answer.SeverityUnlocalized == "ERROR" || answer.Severity == "ERROR") {
		return answer
	}
	return nil
}

// meaning is the core error that a statement's failure comes to.
func meaning(answer *pgconn.PgError, lost error) error {
	switch answer.Code {
	case "57014": // query_canceled: by a timeout, the server's or that of something in between
		return lost
	case "40001", "40P01": // serialization_failure, deadlock_detected: another write was first
		return core.ErrConflict
	case "42P01", "3F000", "42703": // undefined table, schema, column
		return core.ErrForeign
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return &core.CorruptError{Place: answer.TableName, Reason: answer.Message}
	case "23505": // unique_violation
		if primaryKey.MatchString(answer.ConstraintName) {
			place := fmt.Sprintf("%q.%q", answer.SchemaName, answer.TableName)
			return &core.CorruptError{Place: place, Reason: "a row is there already behind the head"}
		}
		return core.ErrRejected
	}
	switch answer.Code[:min(2, len(answer.Code))] {
	case "22", "23", "54": // data exception, constraint, program limit
		return core.ErrRejected
	}
	return core.ErrUnavailable
}

// primaryKey matches the names that PostgreSQL gives to primary keys.
var primaryKey = regexp.MustCompile(`_pkey\d*$`)

// refusesSession reports whether a connection failed since what is at its other end knows
// no settings of a session: a pooler.
func refusesSession(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "08P01" && strings.Contains(answer.Message, "startup parameter")
}

// losesStatements reports whether a statement failed, without effect, since the one that had
// been prepared on this connection is not there or is another: there is a pooler, or a table
// was changed.
func losesStatements(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == "26000" || answer.Code == "42P05" || answer.Code == "0A000")
}

// exists reports whether something could not be made since its name is taken.
func exists(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == "42P07" || answer.Code == "42710" || answer.Code == "42809")
}
