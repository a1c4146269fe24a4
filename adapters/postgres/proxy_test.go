package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// proxy stands before a PostgreSQL server and sees every message. Left alone it counts round trips. As
// a pooler it works as PgBouncer does in transaction mode: it knows no settings of a session,
// and gives every transaction the next of its server connections.
type proxy struct {
	t        testing.TB
	upstream string
	pooler   bool
	lenient  bool                        // of a pooler: it takes the settings of a session, and forgets them
	servers  []chan *pgconn.HijackedConn // of a pooler: each holds one connection, or is empty while that is used

	mu    sync.Mutex
	trips []string // guarded by mu; the first statement of each round trip
	next  int      // guarded by mu; the server that is given to the next transaction
}

// newProxy returns a proxy and the URL of the server through it.
func newProxy(t testing.TB, upstream string, pooler bool) (*proxy, string) {
	return (&proxy{t: t, upstream: upstream, pooler: pooler}).listen()
}

func (p *proxy) listen() (*proxy, string) {
	t, pooler, upstream := p.t, p.pooler, p.upstream
	if pooler {
		for range 3 {
			p.servers = append(p.servers, make(chan *pgconn.HijackedConn, 1))
			p.servers[len(p.servers)-1] <- p.connect()
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	address, err := url.Parse(upstream)
	require.NoError(t, err)
	address.Host = listener.Addr().String()
	return p, address.String()
}

// connect makes a connection to the server that is past its beginning.
func (p *proxy) connect() *pgconn.HijackedConn {
	conn, err := pgconn.Connect(context.Background(), p.upstream)
	require.NoError(p.t, err)
	hijacked, err := conn.Hijack()
	require.NoError(p.t, err)
	p.t.Cleanup(func() { hijacked.Conn.Close() })
	return hijacked
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	backend := pgproto3.NewBackend(client, client)
	startup, err := backend.ReceiveStartupMessage()
	if err != nil {
		return
	}
	if _, cancels := startup.(*pgproto3.CancelRequest); cancels {
		return
	}
	for name := range startup.(*pgproto3.StartupMessage).Parameters {
		if p.pooler && !p.lenient && name != "user" && name != "database" && name != "application_name" && name != "client_encoding" {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: " + name})
			backend.Flush()
			return
		}
	}
	if p.pooler {
		p.pool(client, backend)
		return
	}
	p.pass(client, backend, startup)
}

// pass lets one client speak with a server of its own, and counts.
func (p *proxy) pass(client net.Conn, backend *pgproto3.Backend, startup pgproto3.FrontendMessage) {
	config, err := pgx.ParseConfig(p.upstream)
	require.NoError(p.t, err)
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { io.Copy(client, server); client.Close() }()
	message, err := startup.Encode(nil)
	for first := ""; err == nil; {
		if _, err = server.Write(message); err != nil {
			return
		}
		var received pgproto3.FrontendMessage
		if received, err = backend.Receive(); err == nil {
			first = p.count(first, received)
			message, err = received.Encode(nil)
		}
	}
}

// count notes a round trip where one ends.
func (p *proxy) count(first string, message pgproto3.FrontendMessage) string {
	said := ""
	switch m := message.(type) {
	case *pgproto3.Parse:
		said = m.Query
	case *pgproto3.Bind:
		said = m.PreparedStatement
	case *pgproto3.Query:
		first = m.String
	}
	if first == "" {
		first = strings.TrimSpace(said)
	}
	switch message.(type) {
	case *pgproto3.Sync, *pgproto3.Query:
		p.mu.Lock()
		p.trips = append(p.trips, first)
		p.mu.Unlock()
		return ""
	}
	return first
}

// taken are the round trips since the last call, hints aside.
func (p *proxy) taken() (trips []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, trip := range p.trips {
		if !strings.Contains(trip, "notify") {
			trips = append(trips, trip)
		}
	}
	p.trips = nil
	return trips
}

// pool lets a client speak with another server at every transaction.
func (p *proxy) pool(client net.Conn, backend *pgproto3.Backend) {
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	backend.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if backend.Flush() != nil {
		return
	}
	for {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		if _, ends := message.(*pgproto3.Terminate); ends {
			return
		}
		p.mu.Lock()
		p.next++
		mine := p.servers[p.next%len(p.servers)]
		p.mu.Unlock()
		server := <-mine
		err = transaction(backend, server.Conn, message)
		mine <- server
		if err != nil {
			return
		}
	}
}

// transaction carries messages to and fro until the server is idle again.
func transaction(backend *pgproto3.Backend, server net.Conn, message pgproto3.FrontendMessage) error {
	frontend := pgproto3.NewFrontend(server, server)
	for {
		frontend.Send(message)
		_, query := message.(*pgproto3.Query)
		_, sync := message.(*pgproto3.Sync)
		if query || sync {
			if err := frontend.Flush(); err != nil {
				return err
			}
			status, err := answers(backend, frontend)
			if err != nil || status == 'I' {
				return err
			}
		}
		var err error
		if message, err = backend.Receive(); err != nil {
			return errors.Join(err, frontend.Flush())
		}
	}
}

// answers carries a server's answers to the client, to the end of a round trip.
func answers(backend *pgproto3.Backend, frontend *pgproto3.Frontend) (status byte, err error) {
	for {
		answer, err := frontend.Receive()
		if err != nil {
			return 0, err
		}
		backend.Send(answer)
		if ready, ok := answer.(*pgproto3.ReadyForQuery); ok {
			return ready.TxStatus, backend.Flush()
		}
	}
}
