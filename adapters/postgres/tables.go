package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"eventstore/core"
)

// maxName is the longest name of PostgreSQL in bytes; it cuts longer ones, without an error.
const maxName = 63

// tables are the names of a log's tables: the events, beside them {table}_head with one
// row, and {table}_tags, in which an event has a row for each of its tags.
type tables struct{ schema, table string }

// place is how an error names the log.
func (t tables) place() string { return pgx.Identifier{t.schema, t.table}.Sanitize() }

func (t tables) quoted(ending string) string {
	return pgx.Identifier{t.schema, t.table + ending}.Sanitize()
}

// sql puts the quoted names into a statement for their places.
func (t tables) sql(text string) string {
	return strings.NewReplacer("{events}", t.quoted(""), "{head}", t.quoted("_head"), "{tags}", t.quoted("_tags"),
		"{schema}", pgx.Identifier{t.schema}.Sanitize()).Replace(text)
}

// statement is a statement on these tables that is worth preparing. Its name says what it
// does, and to which tables; another statement never has it.
func (t tables) statement(verb, text string) statement {
	sql := t.sql(text)
	sum := sha256.Sum256([]byte(sql))
	return statement{"eventstore_" + verb + "_" + hex.EncodeToString(sum[:8]), sql}
}

// completeTables fills in and checks the names of a configuration.
func completeTables(config core.TopicConfig) (tables, error) {
	t := tables{config.Schema, config.Table}
	if t.schema == "" {
		t.schema = "public"
	}
	if t.table == "" {
		t.table = config.Name + "_events"
	}
	if err := checkName("schema", t.schema); err != nil {
		return t, err
	}
	if err := checkName("table", t.table); err != nil {
		return t, err
	}
	if len(t.schema) > maxName {
		return t, core.Invalid("schema", "%q has %d bytes; the most is %d", t.schema, len(t.schema), maxName)
	}
	t.table = shortened(t.table)
	return t, nil
}

func checkName(place, name string) error {
	if strings.IndexByte(name, 0) >= 0 || !utf8.ValidString(name) {
		return core.Invalid(place, "%q is not a name: it has a NUL or is not valid UTF-8", name)
	}
	return nil
}

// shortened is a table's name, or where it is too long with "_head" behind it, its first 40
// characters (fewer, where these are of several bytes), '_' and 12 hex digits of its SHA-256.
func shortened(table string) string {
	const ending, digits = len("_head"), 12
	if len(table)+ending <= maxName {
		return table
	}
	sum := sha256.Sum256([]byte(table))
	kept, characters := 0, 0
	for i, r := range table {
		if end := i + utf8.RuneLen(r); characters == 40 || end+1+digits+ending > maxName {
			break
		} else {
			kept, characters = end, characters+1
		}
	}
	return table[:kept] + "_" + hex.EncodeToString(sum[:])[:digits]
}
