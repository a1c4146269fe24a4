// Package acceptance_test holds the built binary against real input and real clients, from outside:
// as a plain server and under the stand-in host in both of its ways, on every adapter.
package acceptance_test

import (
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

// everywhere runs a test in each mode on each adapter, with a topic "github".
func everywhere(t *testing.T, test func(t *testing.T, server *app.Server)) {
	t.Parallel()
	for _, mode := range modes {
		for _, storage := range app.Storages() {
			if storage.Adapter == "memory" && !mode.memory {
				continue // refused under the host, which TestMemoryIsRefusedUnderTheHost holds
			}
			t.Run(mode.name+"/"+storage.Adapter, func(t *testing.T) {
				t.Parallel()
				settings, registration := storage.Make(t)
				server := mode.start(t, settings...)
				registration["name"] = "github"
				server.CreateTopic(t, registration)
				test(t, server)
			})
		}
	}
}
