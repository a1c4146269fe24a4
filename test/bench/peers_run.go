package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// peersFolder holds the peers' programs, and their npm packages once they are installed.
const peersFolder = "test/bench/peers"

// installPeers installs the npm packages that package-lock.json pins, unless they are there.
func installPeers() error {
	wanted, err := os.Stat(filepath.Join(peersFolder, "package-lock.json"))
	if err != nil {
		return err
	}
	mark := filepath.Join(peersFolder, "node_modules/.package-lock.json")
	if installed, err := os.Stat(mark); err == nil && !installed.ModTime().Before(wanted.ModTime()) {
		return nil
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = peersFolder
	if output, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("installing the peers' npm packages: %w: %s", err, output)
	}
	return os.Chtimes(mark, time.Now(), time.Now())
}

// jetStream is a NATS server, and the program that publishes to it.
type jetStream struct {
	program string
	server  *process
}

func startJetStream(dir string) (*jetStream, error) {
	program, err := filepath.Abs(filepath.Join(dir, "jetstream"))
	if err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(peersFolder, "jetstream")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building JetStream: %w: %s", err, output)
	}
	host, err := freePort()
	if err != nil {
		return nil, err
	}
	server, err := beginPeer(host, exec.Command(program, "serve", host, filepath.Join(dir, "jetstream-files")))
	return &jetStream{program, server}, err
}

func (j *jetStream) publish(clients int, duration time.Duration) (perSecond float64, err error) {
	return publisher(exec.Command(j.program, "publish", j.server.host, strconv.Itoa(clients), duration.String()))
}

// startDurableStreams starts the server with one stream, /bench, of JSON.
func startDurableStreams(dir string) (*process, error) {
	host, err := freePort()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		return nil, err
	}
	server, err := beginPeer(host, exec.Command("node", filepath.Join(peersFolder, "durable-streams.js"), port, dir))
	if err != nil {
		return nil, err
	}
	create, err := http.NewRequest(http.MethodPut, "http://"+host+"/bench", nil)
	if err != nil {
		return nil, err
	}
	create.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(create)
	if err == nil {
		answer.Body.Close()
		if answer.StatusCode == http.StatusCreated {
			return server, nil
		}
		err = fmt.Errorf("creating a stream was answered with %d", answer.StatusCode)
	}
	server.end()
	return nil, err
}

func emmett(url string, clients int, duration time.Duration) (perSecond float64, err error) {
	return publisher(exec.Command("node", filepath.Join(peersFolder, "emmett.js"), url, strconv.Itoa(clients), fmt.Sprint(duration.Seconds())))
}

// publisher runs a program that publishes the event on its standard input and says at what rate.
func publisher(command *exec.Cmd) (perSecond float64, err error) {
	command.Stdin, command.Stderr = strings.NewReader(event), os.Stderr
	output, err := command.Output()
	if err != nil {
		return 0, err
	}
	var found struct {
		PerSecond float64 `json:"perSecond"`
		Appended  int     `json:"appended"`
	}
	if err := json.Unmarshal(output, &found); err != nil {
		return 0, fmt.Errorf("%s said %q: %w", command.Path, output, err)
	}
	return found.PerSecond, nil
}

// beginPeer starts a server that need not speak HTTP.
func beginPeer(host string, command *exec.Cmd) (*process, error) {
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{host: host, command: command}
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if connection, err := net.Dial("tcp", host); err == nil {
			return p, connection.Close()
		}
	}
	p.end()
	return nil, fmt.Errorf("%s does not answer on %s", command.Path, host)
}
