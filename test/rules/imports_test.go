// Package rules holds what is true of the whole source: which package may import which.
package rules

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allowed says, for the packages of this module, which others of it each may import. A pattern is
// that of path.Match; the first rule that fits a package holds.
var allowed = []struct {
	of  string
	may []string
}{
	{"core", nil},
	{"core/coretest", []string{"core"}},
	{"core/projections", []string{"core", "core/topics", "core/queries"}},
	{"core/subscribers", []string{"core", "core/topics", "core/queries", "core/cloudevents"}},
	{"core/topics", []string{"core"}},
	{"core/*", []string{"core", "core/topics"}},
	{"adapters/segment", []string{"core"}},
	{"adapters/segment/*", []string{"core", "adapters/segment"}},
	{"adapters/fs", []string{"core", "adapters/segment"}},
	{"adapters/blob", []string{"core", "adapters/segment"}},
	{"adapters/*", []string{"core"}},
	{"handler", []string{"core", "core/*", "adapters/*", "handler/*", "functions", "infra/*"}},
	{"handler/trigger", []string{"handler/logging"}},
	{"handler/logging", nil},
	{"handler/*", []string{"core", "core/*", "handler/logging"}},
	{"functions", nil},
	{"examples/*", nil},
	{"infra/*", nil},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	listed, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports ","}}`, "eventstore/...").Output()
	require.NoError(t, err)
	checked := 0
	for line := range strings.Lines(string(listed)) {
		name, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		name = strings.TrimPrefix(name, "eventstore/")
		if strings.HasPrefix(name, "test/") {
			continue // tests may import anything
		}
		may, known := rule(name)
		require.True(t, known, "%s: no rule says what it may import", name)
		checked++
		for imported := range strings.SplitSeq(imports, ",") {
			imported, own := strings.CutPrefix(imported, "eventstore/")
			if own && !slices.ContainsFunc(may, func(pattern string) bool { return matches(pattern, imported) }) {
				t.Errorf("%s imports %s, and may import %v", name, imported, may)
			}
		}
	}
	require.Greater(t, checked, 5)
}

func rule(name string) (may []string, known bool) {
	for _, r := range allowed {
		if matches(r.of, name) {
			return r.may, true
		}
	}
	return nil, false
}

func matches(pattern, name string) bool {
	fits, err := path.Match(pattern, name)
	return err == nil && fits
}
