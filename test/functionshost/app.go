package functionshost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// app is what a staged folder says: its host.json and its functions, by name.
type app struct {
	dir       string
	settings  hostSettings
	timeout   time.Duration // of one invocation; 0 is none
	starting  time.Duration // how long the handler may take to answer
	functions []*function
}

// hostSettings is host.json. Its keys are those the host knows.
type hostSettings struct {
	Version         string `json:"version"`
	FunctionTimeout string `json:"functionTimeout"`
	CustomHandler   struct {
		Description struct {
			DefaultExecutablePath string   `json:"defaultExecutablePath"`
			WorkingDirectory      string   `json:"workingDirectory"`
			Arguments             []string `json:"arguments"`
		} `json:"description"`
		EnableForwardingHttpRequest bool   `json:"enableForwardingHttpRequest"`
		EnableProxyingHttpRequest   bool   `json:"enableProxyingHttpRequest"`
		InitializationTimeout       string `json:"initializationTimeout"`
	} `json:"customHandler"`
	Extensions struct {
		HTTP struct {
			RoutePrefix            *string           `json:"routePrefix"`
			MaxConcurrentRequests  int               `json:"maxConcurrentRequests"`
			MaxOutstandingRequests int               `json:"maxOutstandingRequests"`
			CustomHeaders          map[string]string `json:"customHeaders"`
		} `json:"http"`
	} `json:"extensions"`
	Singleton     jsontext.Value `json:"singleton"`
	Logging       jsontext.Value `json:"logging"`
	TelemetryMode string         `json:"telemetryMode"`
}

// function is one folder: either an HTTP function with a route, or a timer.
type function struct {
	name      string
	trigger   binding
	route     template // of an HTTP function
	isTimer   bool
	authLevel string
}

type binding struct {
	Type         string   `json:"type"`
	Direction    string   `json:"direction"`
	Name         string   `json:"name"`
	AuthLevel    string   `json:"authLevel"`
	Methods      []string `json:"methods"`
	Route        *string  `json:"route"`
	Schedule     string   `json:"schedule"`
	UseMonitor   *bool    `json:"useMonitor"`
	RunOnStartup bool     `json:"runOnStartup"`
}

// readApp reads a staged app, and says all that is wrong with it.
func readApp(dir string) (*app, error) {
	a := &app{dir: dir}
	a.settings.Extensions.HTTP.MaxConcurrentRequests, a.settings.Extensions.HTTP.MaxOutstandingRequests = -1, -1
	wrong := []error{readJSON(filepath.Join(dir, "host.json"), &a.settings)}
	wrong = append(wrong, a.checkSettings())
	folders, err := os.ReadDir(dir)
	wrong = append(wrong, err)
	for _, folder := range folders {
		file := filepath.Join(dir, folder.Name(), "function.json")
		if _, err := os.Stat(file); err != nil {
			continue // not a function: the host looks no deeper
		}
		f, err := readFunction(folder.Name(), file, a.prefix())
		if err != nil {
			wrong = append(wrong, fmt.Errorf("function %s: %w", folder.Name(), err))
			continue
		}
		a.functions = append(a.functions, f)
	}
	slices.SortFunc(a.functions, func(x, y *function) int {
		return strings.Compare(strings.ToLower(x.name), strings.ToLower(y.name))
	})
	if len(a.functions) == 0 {
		wrong = append(wrong, errors.New("there is no function: the host would not start the handler"))
	}
	return a, errors.Join(wrong...)
}

func (a *app) prefix() string {
	if prefix := a.settings.Extensions.HTTP.RoutePrefix; prefix != nil {
		return *prefix
	}
	return "api"
}

func (a *app) checkSettings() (err error) {
	custom := a.settings.CustomHandler
	if a.settings.Version != "2.0" {
		return fmt.Errorf("host.json: version is %q, not \"2.0\"", a.settings.Version)
	}
	if custom.Description.DefaultExecutablePath == "" {
		return errors.New("host.json: customHandler.description.defaultExecutablePath is missing")
	}
	if !custom.EnableForwardingHttpRequest || !custom.EnableProxyingHttpRequest {
		return errors.New("host.json: enableForwardingHttpRequest and enableProxyingHttpRequest must both be true here")
	}
	if a.timeout, err = timeSpan(a.settings.FunctionTimeout, 30*time.Minute); err != nil {
		return fmt.Errorf("host.json: functionTimeout: %w", err)
	}
	if a.starting, err = timeSpan(custom.InitializationTimeout, 30*time.Second); err != nil {
		return fmt.Errorf("host.json: initializationTimeout: %w", err)
	}
	return nil
}

// timeSpan reads hh:mm:ss, or "-1" for no limit.
func timeSpan(text string, otherwise time.Duration) (time.Duration, error) {
	var h, m, s int
	switch text {
	case "":
		return otherwise, nil
	case "-1":
		return 0, nil
	}
	if n, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); n != 3 || err != nil {
		return 0, fmt.Errorf("%q is not hh:mm:ss", text)
	}
	span := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	if span < time.Second {
		return 0, fmt.Errorf("%q is less than a second", text)
	}
	return span, nil
}

var (
	functionName = regexp.MustCompile(`(?i)^[a-z][a-z0-9_-]{0,127}$`)
	bindingName  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{0,127}$|^\$return$`)
)

func readFunction(name, file, prefix string) (*function, error) {
	var declared struct {
		Bindings []binding `json:"bindings"`
	}
	if err := readJSON(file, &declared); err != nil {
		return nil, err
	}
	if !functionName.MatchString(name) || strings.EqualFold(name, "host") {
		return nil, errors.New("its name is not one a function may have")
	}
	for _, b := range declared.Bindings {
		if !bindingName.MatchString(b.Name) {
			return nil, fmt.Errorf("binding %q: its name is not one a binding may have", b.Name)
		}
	}
	return newFunction(name, declared.Bindings, prefix)
}

// newFunction tells what a function is from its bindings.
func newFunction(name string, bindings []binding, prefix string) (f *function, err error) {
	if len(bindings) == 0 || bindings[0].Direction != "in" {
		return nil, errors.New("it has no trigger")
	}
	f = &function{name: name, trigger: bindings[0]}
	switch {
	case f.trigger.Type == "timerTrigger" && len(bindings) == 1:
		f.isTimer = true
		if f.trigger.Schedule == "" {
			return nil, errors.New("its timer has no schedule")
		}
		return f, nil
	case f.trigger.Type == "httpTrigger" && len(bindings) == 2 && bindings[1].Type == "http" && bindings[1].Direction == "out":
		return f, f.readHTTP(prefix)
	}
	return nil, errors.New("it is neither one httpTrigger in and one http out nor one timerTrigger")
}

func (f *function) readHTTP(prefix string) (err error) {
	f.authLevel = strings.ToLower(f.trigger.AuthLevel)
	if f.authLevel == "" {
		f.authLevel = "function"
	}
	if !slices.Contains([]string{"anonymous", "function", "admin"}, f.authLevel) {
		return fmt.Errorf("authLevel %q is none", f.trigger.AuthLevel)
	}
	for _, method := range f.trigger.Methods {
		if method != strings.ToLower(method) {
			return fmt.Errorf("method %q is not in lower case", method)
		}
	}
	route := f.name
	if f.trigger.Route != nil {
		route = *f.trigger.Route
	}
	f.route, err = parseTemplate(strings.Trim(prefix+"/"+route, "/"))
	return err
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}
