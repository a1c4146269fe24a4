package functionshost_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is the handler too, when the host starts it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_HANDLER") != "" {
		runHandler()
	}
	os.Exit(m.Run())
}

// echo is what the handler has got.
type echo struct {
	Method, URI, Host, Body string
	Header                  http.Header
	Environment             map[string]string
	Pid                     int
	Dir                     string
}

// runHandler listens as a custom handler does and answers every request with what it got; some paths
// make it misbehave.
func runHandler() {
	io.WriteString(os.Stdout, "listening\n")
	io.WriteString(os.Stderr, "a warning\nan error\n")
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		os.Exit(2)
	}
	http.Serve(listener, http.HandlerFunc(answer))
}

func answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; {
	case r.URL.Path == "/":
		w.WriteHeader(http.StatusTeapot) // any answer is one
	case strings.HasPrefix(name, "exit-"):
		code, _ := strconv.Atoi(name[len("exit-"):])
		os.Exit(code)
	case name == "stuck":
		<-r.Context().Done()
		io.WriteString(os.Stdout, "the caller is gone\n")
	case name == "stream":
		io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		time.Sleep(300 * time.Millisecond)
		io.WriteString(w, "second\n")
	case name == "redirect":
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case name == "nothing": // an empty 200
	case name == "fails":
		w.WriteHeader(http.StatusInternalServerError)
	case name == "text":
		io.WriteString(w, "{}")
	default:
		environment := map[string]string{}
		for _, entry := range os.Environ() {
			key, value, _ := strings.Cut(entry, "=")
			environment[key] = value
		}
		dir, _ := os.Getwd()
		w.Header().Set("Content-Type", "application/json")
		if name == "tick" {
			io.WriteString(os.Stdout, "tick got "+strings.Join(r.TransferEncoding, "")+" "+string(body)+"\n")
			io.WriteString(w, `{"Outputs":{},"Logs":[],"ReturnValue":null}`)
			return
		}
		json.NewEncoder(w).Encode(echo{r.Method, r.RequestURI, r.Host, string(body), r.Header, environment, os.Getpid(), dir})
	}
}
