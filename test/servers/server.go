package servers

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed keeper.sh
var keeperScript string

// Server is one that was started for a test. It ends when it is closed and when this
// process ends, in whatever way.
type Server struct {
	// Address is the URL, or the connection string, that a client needs.
	Address string
	// Host is the 127.0.0.1:port that it listens on, the same after Stop and Start.
	Host string

	keeper  *exec.Cmd
	words   io.WriteCloser
	answers *bufio.Reader
}

// Stop ends the server in good order and keeps its data and address.
func (s *Server) Stop(t testing.TB) { t.Helper(); s.must(t, "stop") }

// Crash ends a PostgreSQL server as a power cut would; it recovers when it is started.
func (s *Server) Crash(t testing.TB) { t.Helper(); s.must(t, "crash") }

// Promote has a standby stop following its primary, and take writes.
func (s *Server) Promote(t testing.TB) { t.Helper(); s.must(t, "promote") }

// Start starts the server again, and returns when it answers.
func (s *Server) Start(t testing.TB) { t.Helper(); s.must(t, "start") }

func (s *Server) must(t testing.TB, word string) {
	t.Helper()
	if err := s.say(word); err != nil {
		t.Fatal(err)
	}
}

// Close ends the server and removes what it wrote.
func (s *Server) Close() error {
	s.words.Close()
	return s.keeper.Wait()
}

// start has a server kept: kind and program are what keeper.sh takes, and owner is the
// user to run as, nil for this one.
func start(kind, program string, owner *syscall.Credential, options ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "eventstore-"+kind+"-")
	if err != nil {
		return nil, err
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, err
		}
	}
	host, err := freePort()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(host)
	keeper := exec.Command("sh", append([]string{"-c", keeperScript, "keeper", kind, dir, port, program}, options...)...)
	// Of its own session, so that Ctrl-C at a terminal reaches the test, and the test's end reaches it.
	keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: owner}
	server := &Server{Host: host, keeper: keeper}
	if server.words, err = keeper.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := keeper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	server.answers = bufio.NewReader(answers)
	if err := keeper.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", kind, err)
	}
	if err := server.say("start"); err != nil {
		server.Close()
		return nil, fmt.Errorf("starting %s: %w", kind, err)
	}
	return server, nil
}

// say has the keeper do one thing. A start is done when the server accepts connections.
func (s *Server) say(word string) error {
	if _, err := fmt.Fprintln(s.words, word); err != nil {
		return fmt.Errorf("telling the server's keeper to %s: %w", word, err)
	}
	answer, err := s.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("hearing of the server's keeper about %s: %w", word, err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return fmt.Errorf("the server did not obey: %s", answer)
	}
	if word != "start" {
		return nil
	}
	return awaitConnection(s.Host, time.Minute)
}

func awaitConnection(host string, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.DialTimeout("tcp", host, time.Second)
		if err == nil {
			return connection.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server does not answer after %v: %w", patience, err)
		}
	}
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
