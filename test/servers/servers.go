// Package servers runs the real servers that tests are made against: PostgreSQL and
// Azurite, each on a free port of the loopback, in a directory of its own.
//
// `make test` starts one of each for the whole run and names them in the environment. A
// test binary that finds no name there starts its own, once, and it ends with
// the binary. Nothing is skipped: a server that can't be started fails the test with one
// line that says what to install.
package servers

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// The environment variables that name the servers of a whole run.
const (
	PostgresVariable = "EVENTSTORE_TEST_POSTGRES"
	BlobVariable     = "EVENTSTORE_TEST_BLOB"
)

var (
	ownPostgres = sync.OnceValues(startPostgres)
	ownBlob     = sync.OnceValues(func() (*Server, error) { return startAzurite() })
)

// Postgres is the URL of a PostgreSQL server with the role postgres, a superuser, that
// other tests use at the same time: keep to a schema of your own.
func Postgres(t testing.TB) string {
	t.Helper()
	return shared(t, PostgresVariable, ownPostgres)
}

// Blob is the connection string of an Azurite that other tests use at the same time:
// keep to a container of your own. It keeps nothing when it is killed.
func Blob(t testing.TB) string {
	t.Helper()
	return shared(t, BlobVariable, ownBlob)
}

func shared(t testing.TB, variable string, own func() (*Server, error)) string {
	t.Helper()
	if address := os.Getenv(variable); address != "" {
		return address
	}
	server, err := own()
	if err != nil {
		t.Fatal(err)
	}
	return server.Address
}

// NewPostgres starts a PostgreSQL server for this test alone, to be stopped and started.
func NewPostgres(t testing.TB) *Server {
	t.Helper()
	return forTest(t, startPostgres)
}

// NewStandby starts a PostgreSQL server that follows another until it is promoted. It takes no writes before.
func NewStandby(t testing.TB, primary *Server) *Server {
	t.Helper()
	return forTest(t, func() (*Server, error) { return startPostgresAs("standby", primary.Address) })
}

// NewBlob starts an Azurite for this test alone, to be stopped and started.
func NewBlob(t testing.TB) *Server {
	t.Helper()
	return forTest(t, func() (*Server, error) { return startAzurite() })
}

func forTest(t testing.TB, start func() (*Server, error)) *Server {
	t.Helper()
	server, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// StartAll starts one server of each kind, for a run of many test binaries, and returns
// the environment variables that name them and what ends them.
func StartAll() (environment []string, end func() error, err error) {
	postgres, err := startPostgres()
	if err != nil {
		return nil, nil, err
	}
	blob, err := startAzurite()
	if err != nil {
		postgres.Close()
		return nil, nil, err
	}
	end = func() error {
		err := blob.Close()
		return firstError(err, postgres.Close())
	}
	return []string{PostgresVariable + "=" + postgres.Address, BlobVariable + "=" + blob.Address}, end, nil
}

func firstError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// HostOf is the host:port in the address of a server of this package.
func HostOf(address string) string {
	for _, mark := range []string{"@", "BlobEndpoint=http://"} {
		if _, rest, found := strings.Cut(address, mark); found {
			host, _, _ := strings.Cut(rest, "/")
			return host
		}
	}
	return ""
}
