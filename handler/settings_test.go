package main

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

// environment is getenv over a list of names and values in turn. The timers have schedules, as the host's
// settings must.
func environment(pairs ...string) func(string) string {
	values := map[string]string{}
	for _, name := range scheduleSettings {
		values[name] = "0 * * * * *"
	}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return values[name] }
}

func TestSettings(t *testing.T) {
	t.Parallel()
	local := settings{listen: "127.0.0.1:8080", loopback: true, store: store{"fs", "./data"}}
	with := func(change func(*settings)) settings {
		s := local
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name string
		env  []string
		want settings
	}{
		{"the defaults of local mode", nil, local},
		{"the defaults under the host", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "54321"},
			settings{underHost: true, listen: "127.0.0.1:54321", loopback: true, store: store{"blob", "eventstore"}}},
		{"under the host its keys and address are the host's", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_KEYS", "nonsense", "EVENTSTORE_LISTEN", "nonsense"},
			settings{underHost: true, listen: "127.0.0.1:1", loopback: true, store: store{"blob", "eventstore"}}},
		{"memory", []string{"EVENTSTORE_STORE", "memory:"}, with(func(s *settings) { s.store = store{"memory", ""} })},
		{"a directory", []string{"EVENTSTORE_STORE", "fs:/var/lib/e:s"}, with(func(s *settings) { s.store = store{"fs", "/var/lib/e:s"} })},
		{"a container", []string{"EVENTSTORE_STORE", "blob:a-b-1"}, with(func(s *settings) { s.store = store{"blob", "a-b-1"} })},
		{"a database", []string{"EVENTSTORE_STORE", "postgres://u:p@h/d"}, with(func(s *settings) { s.store = store{"postgres", "postgres://u:p@h/d"} })},
		{"another address of this machine", []string{"EVENTSTORE_LISTEN", "[::1]:0"}, with(func(s *settings) { s.listen = "[::1]:0" })},
		{"this machine by name", []string{"EVENTSTORE_LISTEN", "localhost:1"}, with(func(s *settings) { s.listen = "localhost:1" })},
		{"every address, with keys", []string{"EVENTSTORE_LISTEN", ":80", "EVENTSTORE_KEYS", "admin=a, reader=b==,reader=c"}, with(func(s *settings) {
			s.listen, s.loopback = ":80", false
			s.keys = []rest.Key{{Grant: rest.Grant{Role: rest.Admin}, Secret: "a"}, {Grant: rest.Grant{Role: rest.Reader}, Secret: "b=="}, {Grant: rest.Grant{Role: rest.Reader}, Secret: "c"}}
		})},
		{"a key for some topics", []string{"EVENTSTORE_KEYS", "publisher:orders-*=a"}, with(func(s *settings) {
			s.keys = []rest.Key{{Grant: rest.Grant{Role: rest.Publisher, Topics: "orders-*"}, Secret: "a"}}
		})},
		{"keys decide, said aloud", []string{"EVENTSTORE_AUTH", "keys"}, local},
		{"Entra decides", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_AUTH", "entra", "WEBSITE_AUTH_ENABLED", "True"},
			settings{underHost: true, entra: true, listen: "127.0.0.1:1", loopback: true, store: store{"blob", "eventstore"}}},
		{"a level", []string{"EVENTSTORE_LOG", "warn"}, with(func(s *settings) { s.log = slog.LevelWarn })},
		{"roots", []string{"EVENTSTORE_FS_ROOTS", "/a/, /b"}, with(func(s *settings) { s.fsRoots = []string{"/a", "/b"} })},
		{"under the host the store's directory is the root", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_STORE", "fs:/d"},
			settings{underHost: true, listen: "127.0.0.1:1", loopback: true, store: store{"fs", "/d"}, fsRoots: []string{"/d"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := readSettings(environment(tt.env...))
			require.NoError(t, err)
			got.callbacks, got.schedules = callbacks{}, nil // tests of their own look at them
			require.Equal(t, tt.want, got)
		})
	}
}

func TestAWrongSettingStopsTheStart(t *testing.T) {
	t.Parallel()
	const keys = `it is admin=KEY,publisher=KEY,reader=KEY, or some of these`
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{"a port that is none", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "http"}, `FUNCTIONS_CUSTOMHANDLER_PORT is "http"; the Functions host sets it to the port to serve, 1 to 65535`},
		{"a port of 0", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "0"}, `FUNCTIONS_CUSTOMHANDLER_PORT is "0"; `},
		{"a port that is too high", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "65536"}, `FUNCTIONS_CUSTOMHANDLER_PORT is "65536"; `},
		{"an address without a port", []string{"EVENTSTORE_LISTEN", "127.0.0.1"}, `EVENTSTORE_LISTEN is "127.0.0.1"; it is an address and a port, such as 127.0.0.1:8080`},
		{"an address with a named port", []string{"EVENTSTORE_LISTEN", "127.0.0.1:http"}, `EVENTSTORE_LISTEN is "127.0.0.1:http"; `},
		{"every address without keys", []string{"EVENTSTORE_LISTEN", ":8080"}, `EVENTSTORE_LISTEN is ":8080"; without EVENTSTORE_KEYS only this machine may be served: `},
		{"a public address without keys", []string{"EVENTSTORE_LISTEN", "0.0.0.0:8080"}, `without EVENTSTORE_KEYS only this machine`},
		{"a name that only begins like this machine's", []string{"EVENTSTORE_LISTEN", "localhost.example:8080"}, `without EVENTSTORE_KEYS only this machine`},
		{"a key of no role", []string{"EVENTSTORE_KEYS", "admin=hunter2,writer=hunter3"}, `EVENTSTORE_KEYS is "admin=***,***=***"; ` + keys},
		{"a key alone", []string{"EVENTSTORE_KEYS", "hunter2"}, `EVENTSTORE_KEYS is "***=***"; ` + keys},
		{"an empty key", []string{"EVENTSTORE_KEYS", "reader="}, `EVENTSTORE_KEYS is "reader=***"; ` + keys},
		{"a key for no topics", []string{"EVENTSTORE_KEYS", "reader:=hunter2"}, `EVENTSTORE_KEYS is "***=***"; ` + keys},
		{"a key for what is no topic", []string{"EVENTSTORE_KEYS", "reader:A/B=hunter2,admin=hunter3"}, `EVENTSTORE_KEYS is "***=***,admin=***"; ` + keys},
		{"an authority that is none", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_AUTH", "Entra"}, `EVENTSTORE_AUTH is "Entra"; it is keys, or entra where`},
		{"Entra where nothing vouches for it", []string{"EVENTSTORE_AUTH", "entra"}, `EVENTSTORE_AUTH is "entra"; in local mode nothing stands before this server`},
		{"Entra where it is switched off", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_AUTH", "entra", "WEBSITE_AUTH_ENABLED", "False"}, `App Service authentication is off`},
		{"a store of no kind", []string{"EVENTSTORE_STORE", "./data"}, `EVENTSTORE_STORE is "./data"; it is memory:, fs:DIRECTORY, blob:CONTAINER or postgres://…`},
		{"memory with a place", []string{"EVENTSTORE_STORE", "memory:x"}, `EVENTSTORE_STORE is "memory:x"; `},
		{"a directory without a name", []string{"EVENTSTORE_STORE", "fs:"}, `EVENTSTORE_STORE is "fs:"; `},
		{"a container that can't be", []string{"EVENTSTORE_STORE", "blob:My_Container"}, `EVENTSTORE_STORE is "blob:My_Container"; `},
		{"a database without a server", []string{"EVENTSTORE_STORE", "postgres://"}, `EVENTSTORE_STORE is`},
		{"memory under the host", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_STORE", "memory:"}, `under the Functions host memory is lost with every instance; it is fs:DIRECTORY, blob:CONTAINER or postgres://…`},
		{"an empty root", []string{"EVENTSTORE_FS_ROOTS", "/a,,/b"}, `EVENTSTORE_FS_ROOTS is "/a,,/b"; it is directories separated by commas, none of them empty`},
		{"a level that is none", []string{"EVENTSTORE_LOG", "verbose"}, `EVENTSTORE_LOG is "verbose"; it is debug, info, warn or error`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := readSettings(environment(tt.env...))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "hunter")
			require.NotContains(t, err.Error(), "\n", "it is one line")
		})
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	const port = "FUNCTIONS_CUSTOMHANDLER_PORT"
	got, err := readSettings(environment("PROJECT_SCHEDULE", "0 0 3 * * *", "DELIVER_SCHEDULE", ""))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"PROJECT_SCHEDULE": "0 0 3 * * *", "DELIVER_SCHEDULE": everySecond, "REPLAY_SCHEDULE": "0 * * * * *"}, got.schedules)
	for _, tt := range []struct{ env, want []string }{
		{[]string{port, "1", "REPLAY_SCHEDULE", ""}, []string{"REPLAY_SCHEDULE is not set; under the Functions host each timer needs its schedule"}},
		{[]string{port, "1", "REPLAY_SCHEDULE", "often"}, []string{`REPLAY_SCHEDULE is "often"; `, "has 1 fields, and needs six"}},
		{[]string{"PROJECT_SCHEDULE", "* * * * *"}, []string{`PROJECT_SCHEDULE is "* * * * *"; `, "has 5 fields, and needs six"}},
	} {
		_, err := readSettings(environment(tt.env...))
		for _, want := range tt.want {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestEveryTimersScheduleIsASettingThatIsRead(t *testing.T) {
	t.Parallel()
	app, err := newApplication(settings{store: store{"memory", ""}}, environment(), slog.New(slog.DiscardHandler), t.Context())
	require.NoError(t, err)
	var names []string
	for _, timer := range app.timers {
		names = append(names, timer.Setting)
	}
	require.ElementsMatch(t, scheduleSettings, names)
	require.NoError(t, app.close())
}

func TestTheSecretOfADatabaseIsNotTold(t *testing.T) {
	t.Parallel()
	_, err := readSettings(environment("EVENTSTORE_STORE", "postgress://user:hunter2@host/db"))
	require.ErrorContains(t, err, "EVENTSTORE_STORE is")
	require.NotContains(t, err.Error(), "hunter2")
}
