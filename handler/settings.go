package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"eventstore/core/topics"
	"eventstore/handler/rest"
	"eventstore/handler/telemetry"
)

// settings are what the environment says, checked.
type settings struct {
	underHost  bool
	listen     string // host and port
	loopback   bool   // listen is reachable from this machine alone
	store      store
	keys       []rest.Key // none under the host, which checks its own
	entra      bool       // roles are those of the principal that App Service authentication has found out
	entraHosts []string   // further hosts that may be sent a token
	callbacks  callbacks
	schedules  map[string]string // of the timers, by their settings' names
	fsRoots    []string          // the directories that fs topics may lie under; none: everywhere
	log        slog.Level
	telemetry  *telemetry.Telemetry // nil is off
}

// store is where the instance's documents live, and what a topic without an adapter uses.
type store struct {
	adapter string // memory, fs, blob or postgres
	place   string // a directory, a container, a connection string; "" for memory
}

// settingError says which setting is wrong, and how it would be right.
type settingError struct{ name, value, wanted string }

func (e *settingError) Error() string {
	if e.value == "" {
		return fmt.Sprintf("%s is not set; %s", e.name, e.wanted)
	}
	return fmt.Sprintf("%s is %q; %s", e.name, e.value, e.wanted)
}

// readSettings reads and checks every setting. The error names the first that is wrong, with secrets
// masked.
func readSettings(getenv func(string) string) (s settings, err error) {
	if port := getenv("FUNCTIONS_CUSTOMHANDLER_PORT"); port != "" {
		s.underHost, s.loopback = true, true
		s.listen, err = hostAddress(port)
	} else {
		err = s.readLocal(getenv)
	}
	if err != nil {
		return s, err
	}
	if err = s.readAuth(getenv); err != nil {
		return s, err
	}
	if s.store, err = readStore(getenv("EVENTSTORE_STORE"), s.underHost); err != nil {
		return s, err
	}
	if s.fsRoots, err = s.readRoots(getenv("EVENTSTORE_FS_ROOTS")); err != nil {
		return s, err
	}
	if s.entraHosts, err = readHosts(getenv("EVENTSTORE_ENTRA_HOSTS")); err != nil {
		return s, err
	}
	if err = s.readCallbacks(getenv); err != nil {
		return s, err
	}
	if err = s.readSchedules(getenv); err != nil {
		return s, err
	}
	s.log, err = readLevel(getenv("EVENTSTORE_LOG"))
	return s, err
}

// listenSetting is the setting that listen is from.
func (s *settings) listenSetting() string {
	if s.underHost {
		return "FUNCTIONS_CUSTOMHANDLER_PORT"
	}
	return "EVENTSTORE_LISTEN"
}

func hostAddress(port string) (string, error) {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", &settingError{"FUNCTIONS_CUSTOMHANDLER_PORT", port, "the Functions host sets it to the port to serve, 1 to 65535"}
	}
	return net.JoinHostPort("127.0.0.1", port), nil
}

// readLocal reads what only local mode has.
func (s *settings) readLocal(getenv func(string) string) (err error) {
	if s.keys, err = readKeys(getenv("EVENTSTORE_KEYS")); err != nil {
		return err
	}
	s.listen = getenv("EVENTSTORE_LISTEN")
	if s.listen == "" {
		s.listen = "127.0.0.1:8080"
	}
	host, port, err := net.SplitHostPort(s.listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return &settingError{"EVENTSTORE_LISTEN", s.listen, "it is an address and a port, such as 127.0.0.1:8080"}
	}
	s.loopback = isLoopback(host)
	if !s.loopback && len(s.keys) == 0 {
		return &settingError{"EVENTSTORE_LISTEN", s.listen,
			"without EVENTSTORE_KEYS only this machine may be served: listen on 127.0.0.1, or set EVENTSTORE_KEYS to admin=KEY,publisher=KEY,reader=KEY"}
	}
	return nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

const (
	storeForm     = "it is memory:, " + lastingStores
	lastingStores = "fs:DIRECTORY, blob:CONTAINER or postgres://…"
)

var containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)

func readStore(text string, underHost bool) (store, error) {
	if text == "" {
		text = "fs:./data"
		if underHost {
			text = "blob:eventstore"
		}
	}
	wrong := func(wanted string) (store, error) {
		return store{}, &settingError{"EVENTSTORE_STORE", topics.MaskConnection(text), wanted}
	}
	adapter, place, found := strings.Cut(text, ":")
	switch {
	case !found:
		return wrong(storeForm)
	case adapter == "memory" && underHost:
		return wrong("under the Functions host memory is lost with every instance; it is " + lastingStores)
	case adapter == "memory" && place == "":
		return store{"memory", ""}, nil
	case adapter == "fs" && place != "":
		return store{"fs", place}, nil
	case adapter == "blob" && containerName.MatchString(place) && len(place) <= 63:
		return store{"blob", place}, nil
	case (adapter == "postgres" || adapter == "postgresql") && strings.HasPrefix(place, "//") && place != "//":
		return store{"postgres", text}, nil
	}
	return wrong(storeForm)
}

// readRoots reads directories separated by commas. Under the host they default to the store's own.
func (s *settings) readRoots(text string) (roots []string, err error) {
	if text == "" {
		if s.underHost && s.store.adapter == "fs" {
			return []string{s.store.place}, nil
		}
		return nil, nil
	}
	for root := range strings.SplitSeq(text, ",") {
		if root = strings.TrimSpace(root); root == "" {
			return nil, &settingError{"EVENTSTORE_FS_ROOTS", text, "it is directories separated by commas, none of them empty"}
		}
		roots = append(roots, filepath.Clean(root))
	}
	return roots, nil
}

// readHosts reads names of hosts separated by commas.
func readHosts(text string) (hosts []string, err error) {
	if text == "" {
		return nil, nil
	}
	for host := range strings.SplitSeq(text, ",") {
		host = strings.TrimSpace(host)
		if host == "" || strings.ContainsAny(host, "/:*@ ") {
			return nil, &settingError{"EVENTSTORE_ENTRA_HOSTS", text, "it is names of hosts separated by commas, without scheme, port or path"}
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

func readLevel(text string) (level slog.Level, err error) {
	levels := map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[text]
	if !ok {
		return 0, &settingError{"EVENTSTORE_LOG", text, "it is debug, info, warn or error"}
	}
	return level, nil
}
