// Package functions holds one folder for each function of the app, with its function.json
// alone: what the Functions host reads, and what the local server and the tests read too.
package functions

import (
	"embed"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-json-experiment/json"
)

// Files holds {name}/function.json of every function.
//
//go:embed */function.json
var Files embed.FS

// Function is one function: its folder's name and what its function.json binds.
type Function struct {
	Name     string    `json:"-"`
	Bindings []Binding `json:"bindings"`
}

// Binding is an entry of a function.json; the fields of other types of binding are empty.
type Binding struct {
	Type      string `json:"type"`
	Direction string `json:"direction"`
	Name      string `json:"name"`

	AuthLevel string   `json:"authLevel"` // of an httpTrigger, and so are:
	Methods   []string `json:"methods"`
	Route     string   `json:"route"`

	Schedule     string `json:"schedule"` // of a timerTrigger, and so are:
	UseMonitor   bool   `json:"useMonitor"`
	RunOnStartup bool   `json:"runOnStartup"`
}

// Trigger is what starts the function.
func (f Function) Trigger() Binding { return f.Bindings[0] }

// All reads every function, by name. A field that no binding has is an error.
func All() ([]Function, error) {
	files, err := fs.Glob(Files, "*/function.json")
	if err != nil {
		return nil, err
	}
	all := make([]Function, len(files))
	for i, file := range files {
		text, err := Files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &all[i], json.RejectUnknownMembers(true)); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if len(all[i].Bindings) == 0 {
			return nil, fmt.Errorf("reading %s: there is no binding", file)
		}
		all[i].Name = path.Dir(file)
	}
	return all, nil
}
