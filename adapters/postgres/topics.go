package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"eventstore/core"
)

// Config is what an instance gives its PostgreSQL topics.
type Config struct {
	// Connection is the database of topics that name none; "" if there is none.
	Connection string
	// Credential gets the tokens that are sent as passwords, where a connection string has none, to
	// *.postgres.database.azure.com and EntraHosts; nil if the instance has no identity.
	Credential azcore.TokenCredential
	// EntraHosts are further hosts that may be sent a token.
	EntraHosts []string
	// MaxConns is the most connections to a database, unless its connection string has
	// pool_max_conns; 4 by default.
	MaxConns int32
	// Log is told of lost hints and poolers; slog's default by default.
	Log *slog.Logger
}

// Topics opens logs and documents in PostgreSQL. What has one connection string shares its
// connections.
type Topics struct {
	config Config

	mu        sync.Mutex
	databases map[string]*database // guarded by mu; by connection string
}

// NewTopics makes a Topics that connects to nothing before it is asked to.
func NewTopics(config Config) *Topics {
	if config.MaxConns == 0 {
		config.MaxConns = defaultConns
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	return &Topics{config: config, databases: map[string]*database{}}
}

// Complete fills in schema and table, and checks all that can be checked without connecting.
func (t *Topics) Complete(config core.TopicConfig) (core.TopicConfig, error) {
	names, err := completeTables(config)
	if err != nil {
		return config, err
	}
	if options := slices.Sorted(maps.Keys(config.Options)); len(options) > 0 {
		return config, core.Invalid("options."+options[0], "is not an option of the postgres adapter, which has none; "+
			"sizes of pools are settings of the connection, such as pool_max_conns")
	}
	config.Schema, config.Table = names.schema, names.table
	if named := strings.HasPrefix(config.Connection, "%") && strings.HasSuffix(config.Connection, "%"); named {
		return config, nil
	}
	_, err = t.checked(config.Connection)
	return config, err
}

// checked is the connection string that a topic's comes to, if it can be used.
func (t *Topics) checked(connection string) (string, error) {
	if connection == "" {
		connection = t.config.Connection
	}
	if connection == "" {
		return "", core.Invalid("connection", "is missing: it is a URL such as postgres://user:password@host:5432/database, or %%NAME%% of an app setting that holds one")
	}
	_, err := parse(connection)
	return connection, err
}

// database is the database of a connection string, which is used from now on.
func (t *Topics) database(connection string) (*database, error) {
	connection, err := t.checked(connection)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.databases == nil {
		return nil, fmt.Errorf("%w: the connections are closed", core.ErrUnavailable)
	}
	if d := t.databases[connection]; d != nil {
		return d, nil
	}
	d, err := connect(connection, t.config)
	if err != nil {
		return nil, err
	}
	t.databases[connection] = d
	return d, nil
}

// Close ends all connections, once nothing runs on them.
func (t *Topics) Close() {
	t.mu.Lock()
	databases := t.databases
	t.databases = nil
	t.mu.Unlock()
	for _, d := range databases {
		d.close()
	}
}

// Open opens the log that config names, in one round trip if it is there. Where id is "" it
// makes the log if there is none.
func (t *Topics) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	d, err := t.database(config.Connection)
	if err != nil {
		return nil, "", err
	}
	names := tables{config.Schema, config.Table}
	identity, err := d.open(ctx, names)
	if err == nil && id != "" && identity != id {
		err = fmt.Errorf("%w: %s has the identity %s, not %s", core.ErrForeign, names.place(), identity, id)
	}
	if err != nil && id == "" && (errors.Is(err, core.ErrForeign) || errors.Is(err, errOldFormat)) {
		if err = d.setUp(ctx, names, logMigrations); err == nil {
			identity, err = d.open(ctx, names)
		}
		if errors.Is(err, core.ErrForeign) {
			err = names.taken()
		}
	}
	if err != nil {
		return nil, "", err
	}
	return newLog(d, names, identity), identity, nil
}

// errOldFormat: the tables were made by an older version of the program, and are to be
// migrated.
var errOldFormat = errors.New("tables of an older format")

const openSQL = `
select log, format::bigint, current_setting('server_encoding'), current_setting('synchronous_commit'),
	current_setting('transaction_read_only'),
	has_table_privilege($1, 'select') and has_table_privilege($1, 'insert') and has_table_privilege($2, 'select')
	and has_table_privilege($2, 'update') and has_table_privilege($3, 'select') and has_table_privilege($3, 'insert')
from {head}`

// open reads what a log is, and checks that it is one that can be written durably.
func (d *database) open(ctx context.Context, names tables) (identity string, err error) {
	p := new(parameters)
	for _, ending := range []string{"", "_head", "_tags"} {
		p.text(names.quoted(ending))
	}
	rows, wrong := 0, error(nil)
	err = d.read(ctx, statement{sql: names.sql(openSQL)}, p, func() { rows = 0 }, func(r row) {
		rows++
		identity = r.text(0)
		wrong = names.checkOpen(r)
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("opening %s: %w", names.place(), err)
	case rows != 1:
		return "", &core.CorruptError{Place: names.quoted("_head"), Reason: headReason(rows, nil)}
	}
	return identity, wrong
}

func wrongEncoding(encoding string) error {
	return core.Invalid("connection", "names a database with the encoding %s; it must be UTF8", encoding)
}

// checkOpen says what is wrong with a server or a log that is opened.
func (t tables) checkOpen(r row) error {
	format := r.bigint(1)
	switch {
	case format > int64(len(logMigrations)):
		return core.Invalid("table", "%s has format %d, made by a newer version of this program, which knows formats up to %d",
			t.place(), format, len(logMigrations))
	case format < int64(len(logMigrations)):
		return fmt.Errorf("opening %s: %w", t.place(), errOldFormat)
	case r.text(4) == "on":
		return fmt.Errorf("%w: the database of %s is read-only", core.ErrUnavailable, t.place())
	case !r.bool(5):
		return fmt.Errorf("%w: the role may not select and insert in %s and its _tags, and select and update its _head", core.ErrUnavailable, t.place())
	}
	return checkServer(r.text(2), r.text(3))
}

// checkServer refuses a server that can't hold every text, or that loses what it acknowledged.
func checkServer(encoding, commit string) error {
	switch {
	case encoding != "UTF8":
		return wrongEncoding(encoding)
	case commit == "off":
		return core.Invalid("connection", "leads to a session with synchronous_commit off, which loses what was acknowledged: "+
			"set it to on for the role or the database")
	}
	return nil
}
