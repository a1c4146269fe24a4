package servers_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"eventstore/test/servers"
)

func TestPostgresKeepsItsDataAndAddressOverACrash(t *testing.T) {
	t.Parallel()
	server := servers.NewPostgres(t)
	query(t, server, "create table kept (word text)")
	query(t, server, "insert into kept values ('yes')")
	server.Crash(t)
	_, err := pgx.Connect(t.Context(), server.Address)
	require.Error(t, err)
	server.Start(t)
	require.Equal(t, "yes", query(t, server, "select word from kept"))
	require.Equal(t, "on", query(t, server, "show fsync"))
}

// query runs one statement and returns the first column of its last row.
func query(t *testing.T, server *servers.Server, statement string) (value string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), server.Address)
	require.NoError(t, err)
	defer connection.Close(t.Context())
	rows, err := connection.Query(t.Context(), statement)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		require.NoError(t, rows.Scan(&value))
	}
	require.NoError(t, rows.Err())
	return value
}

func TestBlobAnswersAtTheSameAddressAfterAStop(t *testing.T) {
	t.Parallel()
	server := servers.NewBlob(t)
	require.NoError(t, answers(server.Host))
	server.Stop(t)
	require.Error(t, answers(server.Host))
	server.Start(t)
	require.NoError(t, answers(server.Host))
}

func answers(host string) error {
	response, err := http.Get("http://" + host + "/devstoreaccount1?comp=list")
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// A test binary is run again, starts servers, says where, and is killed.
func TestServersEndWithAProcessThatIsKilled(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), "SERVERS_CHILD=1", servers.PostgresVariable+"=", servers.BlobVariable+"=")
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	said := make([]byte, 4096)
	n, err := output.Read(said)
	require.NoError(t, err)
	hosts := strings.Fields(string(said[:n]))
	require.Len(t, hosts, 2)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	for _, host := range hosts {
		require.Eventually(t, func() bool { return refused(host) }, 30*time.Second, 50*time.Millisecond, host)
	}
}

func refused(host string) bool {
	connection, err := net.Dial("tcp", host)
	if err == nil {
		connection.Close()
	}
	return err != nil
}

// TestChild is the body of the process that TestServersEndWithAProcessThatIsKilled kills.
func TestChild(t *testing.T) {
	if os.Getenv("SERVERS_CHILD") == "" {
		return // an ordinary run: there is nothing to do
	}
	config, err := pgx.ParseConfig(servers.Postgres(t))
	require.NoError(t, err)
	_, blob, _ := strings.Cut(servers.Blob(t), "BlobEndpoint=http://")
	blob, _, _ = strings.Cut(blob, "/")
	os.Stdout.WriteString(net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + " " + blob + "\n")
	select {}
}
