package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// process is a server that was started for a measurement.
type process struct {
	host    string
	command *exec.Cmd
	cold    time.Duration // from the start of the process to its first answer
}

// startApp starts the handler on a store, in local mode.
func startApp(o options, store string, settings ...string) (*process, error) {
	host, err := freePort()
	if err != nil {
		return nil, err
	}
	return begin(host, exec.Command(o.app), append(settings, "EVENTSTORE_STORE="+store, "EVENTSTORE_LISTEN="+host, "EVENTSTORE_LOG=error")...)
}

// startBare starts this program as the bare server, which also serves the files of a directory.
func startBare() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	host, err := freePort()
	if err != nil {
		return nil, err
	}
	return begin(host, exec.Command(self, "bare", host))
}

func begin(host string, command *exec.Cmd, settings ...string) (*process, error) {
	command.Env = append(os.Environ(), settings...)
	command.Stderr = os.Stderr
	begun := time.Now()
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{host: host, command: command}
	for time.Since(begun) < time.Minute {
		if response, err := http.Get("http://" + host + "/"); err == nil {
			p.cold = time.Since(begun)
			return p, response.Body.Close()
		}
		time.Sleep(200 * time.Microsecond)
	}
	p.end()
	return nil, fmt.Errorf("%s does not answer", command.Path)
}

func (p *process) end() {
	p.command.Process.Kill()
	p.command.Wait()
}

// interrupt ends the process as a user does, and waits for it.
func (p *process) interrupt() error {
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.command.Wait()
}

// createTopic registers a topic that has only a name.
func (p *process) createTopic(name string) error {
	return p.post("/topics", "application/json", strings.NewReader(`{"name":"`+name+`"}`))
}

func (p *process) post(path, media string, body io.Reader) error {
	response, err := http.Post("http://"+p.host+path, media, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusCreated {
		err = fmt.Errorf("POST %s was answered with %d: %s", path, response.StatusCode, text)
	}
	return err
}

// headOf is the position of a topic's last event.
func (p *process) headOf(topic string) (position int, err error) {
	response, err := http.Head("http://" + p.host + "/topics/" + topic + "/events")
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	return strconv.Atoi(strings.Trim(response.Header.Get("ETag"), `"`))
}

// fill imports so many events into a topic.
func (p *process) fill(topic string, events int) error {
	r, w := io.Pipe()
	go func() {
		piece := []byte(strings.Repeat(event+"\n", 1000))
		var err error
		for left := events; left > 0 && err == nil; left -= 1000 {
			_, err = w.Write(piece[:min(left, 1000)*(len(event)+1)])
		}
		w.CloseWithError(err)
	}()
	return p.post("/topics/"+topic+"/events", "application/x-ndjson", r)
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// mebibytes is the memory that the process has resident.
func (p *process) mebibytes() (float64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.command.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	found := resident.FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("/proc tells no resident memory")
	}
	kilobytes, err := strconv.ParseFloat(string(found[1]), 64)
	return kilobytes / 1024, err
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// bareEvent is what a publish holds.
type bareEvent struct {
	Type     string         `json:"type"`
	Subject  string         `json:"subject"`
	Tags     []string       `json:"tags"`
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata"`
}

// serveBare is the bare server: it decodes the JSON of a publish and answers about what a publish is
// answered; and it streams a file.
func serveBare(host string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /topics/{topic}/events", func(w http.ResponseWriter, r *http.Request) {
		var decoded bareEvent
		if err := json.UnmarshalRead(r.Body, &decoded); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"topic":"bench","first":1,"last":1,"head":1,"events":[{"id":"01a2058e-b054-7e8a-b74b-e1b103b16d64","position":1}]}`)
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, r.URL.Query().Get("path"))
	})
	return http.ListenAndServe(host, mux)
}
