// Package acceptance_test holds the built binary against real input and real clients, from outside:
// as a plain server and under the stand-in host in both of its ways, on every adapter.
package acceptance_test

import (
	"os"
	"testing"

	"eventstore/test/app"
	"eventstore/test/functionshost"
)

// mode is a way to run the binary.
type mode struct {
	name   string
	memory bool // whether memory topics are allowed
	start  func(t testing.TB, settings ...string) *app.Server
}

var modes = []mode{
	{"local", true, app.Local},
	{"forwarding", false, hosted(functionshost.Forwarding)},
	{"proxying", false, hosted(functionshost.Proxying)},
}

func hosted(way functionshost.Mode) func(testing.TB, ...string) *app.Server {
	return func(t testing.TB, settings ...string) *app.Server { return app.Hosted(t, way, settings...) }
}

// storage makes a topic of one adapter: the settings that its server needs, and its registration.
type storage struct {
	adapter string
	make    func(t testing.TB) (settings []string, registration map[string]any)
}

var storages = []storage{
	{"memory", func(testing.TB) ([]string, map[string]any) {
		return nil, map[string]any{"adapter": "memory"}
	}},
	{"fs", func(t testing.TB) ([]string, map[string]any) {
		dir := t.TempDir()
		return []string{"EVENTSTORE_FS_ROOTS=" + dir}, map[string]any{
			"adapter": "fs", "connection": dir + "/log", "options": map[string]string{"createDirIfNotExist": "true"},
		}
	}},
}

// everywhere runs a test in each mode on each adapter, with a topic "github".
func everywhere(t *testing.T, test func(t *testing.T, server *app.Server)) {
	t.Parallel()
	for _, mode := range modes {
		for _, storage := range storages {
			if storage.adapter == "memory" && !mode.memory {
				continue // refused under the host, which TestMemoryIsRefusedUnderTheHost holds
			}
			t.Run(mode.name+"/"+storage.adapter, func(t *testing.T) {
				t.Parallel()
				settings, registration := storage.make(t)
				server := mode.start(t, settings...)
				registration["name"] = "github"
				server.CreateTopic(t, registration)
				test(t, server)
			})
		}
	}
}

// long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }
