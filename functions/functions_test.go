package functions_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/functions"
	"eventstore/handler/rest"
	"eventstore/handler/trigger"
)

func all(t *testing.T) []functions.Function {
	t.Helper()
	found, err := functions.All()
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// served is a path with a method: what a function's template takes, or what the router serves.
type served struct{ function, method, path string }

func TestEveryRouteHasItsFunctionAndEveryFunctionItsRoute(t *testing.T) {
	t.Parallel()
	var routed, declared []served
	for _, route := range rest.Routes() {
		if route.Function == "" {
			continue // the host asks for it itself
		}
		for _, method := range methods(route.Method) {
			routed = append(routed, served{route.Function, method, anonymous(route.Pattern)})
		}
	}
	for _, f := range all(t) {
		if f.Trigger().Type != "httpTrigger" {
			continue
		}
		for _, method := range f.Trigger().Methods {
			for _, path := range paths(f.Trigger().Route) {
				declared = append(declared, served{f.Name, method, path})
			}
		}
	}
	require.ElementsMatch(t, routed, declared)
}

// methods are those that a router's method answers.
func methods(method string) []string {
	if method == "GET" {
		return []string{"get", "head"}
	}
	return []string{strings.ToLower(method)}
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// anonymous leaves out the names of parameters.
func anonymous(pattern string) string { return parameter.ReplaceAllString(pattern, "{}") }

// paths are those that a template takes: with its optional parameter and without.
func paths(template string) []string {
	path := "/" + template
	if !strings.HasSuffix(path, "?}") {
		return []string{anonymous(path)}
	}
	return []string{anonymous(path), anonymous(path[:strings.LastIndexByte(path, '/')])}
}

func TestEachRightIsAFunctionOfItsOwn(t *testing.T) {
	t.Parallel()
	levels := map[string]string{}
	for _, f := range all(t) {
		levels[f.Name] = f.Trigger().AuthLevel
	}
	roles := map[string]rest.Role{}
	for _, route := range rest.Routes() {
		if route.Function == "" {
			continue
		}
		if role, seen := roles[route.Function]; seen {
			require.Equal(t, role, route.Role, "%s serves routes of two roles, and has one key", route.Function)
		}
		roles[route.Function] = route.Role
		level := "function"
		if route.Role == rest.Open {
			level = "anonymous"
		}
		require.Equal(t, level, levels[route.Function], route.Function)
	}
}

func TestNoTwoTemplatesTakeTheSamePath(t *testing.T) {
	t.Parallel()
	var seen []served
	for _, f := range all(t) {
		for _, method := range f.Trigger().Methods {
			for _, path := range paths(f.Trigger().Route) {
				for _, other := range seen {
					require.False(t, other.method == method && overlap(other.path, path), "%s %s: %s and %s", method, path, f.Name, other.function)
				}
				seen = append(seen, served{f.Name, method, path})
			}
		}
	}
}

// overlap reports whether some path fits both templates.
func overlap(a, b string) bool {
	left, right := strings.Split(a, "/"), strings.Split(b, "/")
	if len(left) != len(right) {
		return false
	}
	for i := range left {
		if left[i] != right[i] && left[i] != "{}" && right[i] != "{}" {
			return false
		}
	}
	return true
}

// With an empty prefix, an outside request could otherwise be forwarded to POST /{timer}.
func TestNoOutsidePathLeadsToATimer(t *testing.T) {
	t.Parallel()
	reserved := []string{"admin", "runtime", "project", "deliver", "replay"}
	for _, f := range all(t) {
		if f.Trigger().Type == "timerTrigger" {
			reserved = append(reserved, f.Name)
		}
	}
	for _, f := range all(t) {
		if f.Trigger().Type != "httpTrigger" {
			continue
		}
		first, _, _ := strings.Cut(f.Trigger().Route, "/")
		require.NotContains(t, reserved, first, f.Name)
		require.NotContains(t, first, "{", "%s: its first segment takes anything", f.Name)
		require.NotContains(t, f.Trigger().Route, "*", f.Name)
	}
}

func TestBindingsAreWhatTheHostForwards(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z][a-z_]{0,127}$`) // no "-": it troubles settings on Linux
	for _, f := range all(t) {
		require.Regexp(t, name, f.Name)
		require.NotEqual(t, "host", f.Name)
		switch f.Trigger().Type {
		case "httpTrigger":
			require.Len(t, f.Bindings, 2, f.Name)
			require.Equal(t, "in", f.Trigger().Direction)
			require.NotEmpty(t, f.Trigger().Methods, "%s: no methods would be all of them", f.Name)
			require.Equal(t, functions.Binding{Type: "http", Direction: "out", Name: "res"}, f.Bindings[1], f.Name)
		case "timerTrigger":
			setting := "%" + strings.ToUpper(f.Name) + "_SCHEDULE%"
			require.Equal(t, []functions.Binding{{Type: "timerTrigger", Direction: "in", Name: "timer", Schedule: setting, UseMonitor: true}}, f.Bindings, f.Name)
		default:
			t.Errorf("%s: a trigger of type %q", f.Name, f.Trigger().Type)
		}
	}
}

func TestEverySettingOfATimerIsInTheExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../local.settings.json.example")
	require.NoError(t, err)
	var example struct{ Values map[string]string }
	require.NoError(t, json.Unmarshal(text, &example))
	for _, f := range all(t) {
		if f.Trigger().Type != "timerTrigger" {
			continue
		}
		schedule := example.Values[strings.Trim(f.Trigger().Schedule, "%")]
		_, err := trigger.ParseSchedule(schedule)
		require.NoError(t, err, f.Name)
	}
}

func TestTimersEndBeforeTheHostKillsThem(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../host.json")
	require.NoError(t, err)
	require.Contains(t, string(text), `"functionTimeout": "00:05:00"`)
	require.LessOrEqual(t, trigger.Deadline, 5*time.Minute-30*time.Second)
}
