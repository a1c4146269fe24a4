package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"eventstore/core"
)

const (
	connectTimeout   = 10 * time.Second
	statementTimeout = 30 * time.Second
	lockTimeout      = 5 * time.Second
	// defaultConns is the most connections of one instance to one database: a hundred
	// instances must not use up a server's.
	defaultConns = 4
	// tokenScope is for whom an Entra token is that PostgreSQL takes as a password.
	tokenScope = "https://ossrdbms-aad.database.windows.net/.default"
	// azureHosts is how the names of Azure's own servers end.
	azureHosts = ".postgres.database.azure.com"
)

// settings are what a connection string may hold. Whatever else PostgreSQL's clients know
// reads files of the instance or changes what its statements mean.
var settings = []string{
	"host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslnegotiation", "sslsni",
	"channel_binding", "require_auth", "min_protocol_version", "max_protocol_version",
	"connect_timeout", "target_session_attrs", "application_name", "default_query_exec_mode",
	"pool_max_conns", "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime",
	"pool_max_conn_lifetime_jitter", "pool_max_conn_idle_time", "pool_health_check_period",
}

// sets reports whether a connection string, which is a good one, has a setting of its own.
func sets(connection, setting string) bool {
	others := slices.DeleteFunc(slices.Clone(settings), func(s string) bool { return s == setting })
	_, err := pgconn.ParseConfigWithOptions(connection, pgconn.ParseConfigOptions{ConnStringAllowedKeys: others})
	return err != nil
}

// parse reads a connection string. Its errors don't quote it, for it may hold a password.
func parse(connection string) (*pgxpool.Config, error) {
	_, err := pgconn.ParseConfigWithOptions(connection, pgconn.ParseConfigOptions{ConnStringAllowedKeys: settings})
	if err != nil {
		return nil, core.Invalid("connection", "%s", reason(connection))
	}
	if !sets(connection, "host") {
		return nil, core.Invalid("connection", "names no host, as in postgres://user@host:5432/database")
	}
	config, err := pgxpool.ParseConfig(connection)
	if err != nil {
		return nil, core.Invalid("connection", "has a pool_ setting or a default_query_exec_mode that is not as pgx wants it")
	}
	if !sets(connection, "password") {
		config.ConnConfig.Password = "" // the instance's own PGPASSWORD is not for hosts that a topic names
	}
	return config, nil
}

// reason says what is wrong with a connection string that does not parse.
func reason(connection string) string {
	for _, word := range []string{"service", "servicefile", "passfile", "sslcert", "sslkey", "sslpassword", "options", "krbsrvname", "krbspn"} {
		if strings.Contains(connection, word+"=") || strings.Contains(connection, word+" =") {
			return fmt.Sprintf("has a setting %s, which a topic may not have; it may have %s", word, strings.Join(settings, ", "))
		}
	}
	return "is not a URL such as postgres://user:password@host:5432/database?sslmode=verify-full (with special characters " +
		"of the password percent-encoded) nor keywords such as host=… user=… dbname=…, with these settings alone: " + strings.Join(settings, ", ")
}

// connect prepares a pool of connections to the database that a connection string names; the
// first connection is made when it is needed.
func connect(connection string, config Config) (*database, error) {
	pool, err := parse(connection)
	if err != nil {
		return nil, err
	}
	d := &database{log: config.Log}
	if mode := pool.ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeCacheStatement {
		d.pooled.Store(true)
	}
	tune(pool, connection, config)
	if pool.BeforeConnect, err = d.beforeConnect(pool, connection, config); err != nil {
		return nil, err
	}
	if d.pool, err = pgxpool.NewWithConfig(context.Background(), pool); err != nil {
		return nil, core.Invalid("connection", "can't be used: a pool_ setting contradicts another")
	}
	d.hints.start(d, pool)
	return d, nil
}

// tune sets what the connection string leaves open, for many instances that come and go.
func tune(pool *pgxpool.Config, connection string, config Config) {
	if !sets(connection, "pool_max_conns") {
		pool.MaxConns = config.MaxConns
	}
	if !sets(connection, "pool_max_conn_idle_time") {
		pool.MaxConnIdleTime = time.Minute
	}
	if !sets(connection, "pool_max_conn_lifetime_jitter") {
		pool.MaxConnLifetimeJitter = pool.MaxConnLifetime / 10
	}
	pool.PingTimeout = 2 * time.Second
	if !sets(connection, "connect_timeout") {
		pool.ConnConfig.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: pool.ConnConfig.ConnectTimeout, KeepAlive: 30 * time.Second}
	pool.ConnConfig.DialFunc = dialer.DialContext
}

// session are the settings with which a session begins: nothing waits for ever, and the server
// finds out soon that an instance is gone which held a lock. Every statement here goes by an
// index, in its order; a planner that knows nothing yet of a table that was just filled
// would rather read and sort all of it, for every page.
var session = map[string]string{
	"lock_timeout":                        milliseconds(lockTimeout),
	"statement_timeout":                   milliseconds(statementTimeout),
	"idle_in_transaction_session_timeout": milliseconds(statementTimeout),
	"tcp_keepalives_idle":                 "30",
	"tcp_keepalives_interval":             "10",
	"tcp_keepalives_count":                "3",
	"default_transaction_isolation":       "read committed",
	"enable_seqscan":                      "off",
	"enable_bitmapscan":                   "off",
	"enable_hashjoin":                     "off",
	"jit":                                 "off",
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// beforeConnect is what a new connection needs: the session's settings, where there is a
// session, and a token for a password, where the connection string has none and the host
// may be sent one.
func (d *database) beforeConnect(pool *pgxpool.Config, connection string, config Config) (func(context.Context, *pgx.ConnConfig) error, error) {
	token := func(context.Context, *pgx.ConnConfig) error { return nil }
	if !sets(connection, "password") && entra(&pool.ConnConfig.Config, config.EntraHosts) {
		if err := checkEntra(&pool.ConnConfig.Config, config); err != nil {
			return nil, err
		}
		token = func(ctx context.Context, conn *pgx.ConnConfig) error {
			token, err := config.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{tokenScope}})
			if err != nil {
				return fmt.Errorf("getting an Entra token for PostgreSQL: %w", err)
			}
			conn.Password = token.Token
			return nil
		}
	}
	return func(ctx context.Context, conn *pgx.ConnConfig) error {
		if !sets(connection, "application_name") {
			conn.RuntimeParams["application_name"] = "eventstore"
		}
		conn.RuntimeParams["client_encoding"] = "UTF8" // which poolers know too
		if !d.pooled.Load() {
			for name, value := range session {
				conn.RuntimeParams[name] = value
			}
		}
		return token(ctx, conn)
	}, nil
}

// entra reports whether a connection is to hosts that may be sent a token, all of them.
func entra(config *pgconn.Config, hosts []string) bool {
	allowed := func(host string) bool {
		host = strings.TrimSuffix(strings.ToLower(host), ".")
		return strings.HasSuffix(host, azureHosts) || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
	}
	for _, fallback := range config.Fallbacks {
		if !allowed(fallback.Host) {
			return false
		}
	}
	return allowed(config.Host)
}

// checkEntra refuses to send a token to whom TLS has not shown to be the host.
func checkEntra(config *pgconn.Config, ours Config) error {
	verified := verifies(config.TLSConfig, config.Host)
	for _, fallback := range config.Fallbacks {
		verified = verified && verifies(fallback.TLSConfig, fallback.Host)
	}
	switch {
	case !verified:
		return core.Invalid("connection", "has no password, so that an Entra token is sent to %s; that needs sslmode=verify-full", config.Host)
	case ours.Credential == nil:
		return core.Invalid("connection", "has no password, and this instance has no Entra identity to get a token with")
	case config.User == "":
		return core.Invalid("connection", "names no user, which with Entra is the name of the database role of the identity")
	}
	return nil
}

func verifies(config *tls.Config, host string) bool {
	return config != nil && !config.InsecureSkipVerify && config.ServerName == host
}

// close ends the connections, once nothing runs on them.
func (d *database) close() {
	d.hints.stop()
	d.pool.Close()
}
