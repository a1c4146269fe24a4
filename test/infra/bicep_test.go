// Package infra_test holds the files that deploy the store against the store itself, offline: what can be
// known of them without Azure, Docker or GitHub.
package infra_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// node is one of a Bicep file's syntax tree.
type node struct {
	Type     string  `json:"type"`
	Text     string  `json:"text"`
	Children []*node `json:"children"`
}

// bicep is a parsed Bicep file.
type bicep struct {
	Path   string `json:"path"`
	Broken bool   `json:"broken"`
	Root   *node  `json:"root"`
}

// parsed are the files of infra by their paths there, such as app/app.bicep.
func parsed(t *testing.T) map[string]*bicep {
	t.Helper()
	files, err := parseAll()
	require.NoError(t, err)
	return files
}

var parseAll = sync.OnceValues(func() (map[string]*bicep, error) {
	top, err := filepath.Glob("../../infra/*.bicep")
	if err != nil {
		return nil, err
	}
	modules, err := filepath.Glob("../../infra/app/*.bicep")
	if err != nil {
		return nil, err
	}
	files := map[string]*bicep{}
	trees, err := parse(append(top, modules...)...)
	for _, tree := range trees {
		files[strings.TrimPrefix(tree.Path, "../../infra/")] = tree
	}
	return files, err
})

// parse parses files with the Bicep grammar of tree-sitter.
func parse(paths ...string) (trees []*bicep, err error) {
	command := exec.Command("node", append([]string{"../contract/bicep.mjs"}, paths...)...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, err
	}
	return trees, json.Unmarshal(output, &trees)
}

// parseText parses one file of a text.
func parseText(t *testing.T, text string) *bicep {
	t.Helper()
	file := filepath.Join(t.TempDir(), "text.bicep")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	trees, err := parse(file)
	require.NoError(t, err)
	return trees[0]
}

// walk calls visit with every node and the nodes above it, the nearest last.
func (n *node) walk(visit func(n *node, above []*node)) { n.walkBelow(nil, visit) }

func (n *node) walkBelow(above []*node, visit func(*node, []*node)) {
	visit(n, above)
	for _, child := range n.Children {
		child.walkBelow(append(slices.Clip(above), n), visit)
	}
}

// all are the nodes of a type.
func (n *node) all(kind string) (found []*node) {
	n.walk(func(n *node, _ []*node) {
		if n.Type == kind {
			found = append(found, n)
		}
	})
	return found
}

// name is a declaration's, or a property's key.
func (n *node) name() string { return n.first("identifier").Text }

// first is the first child of a type; an empty node without one.
func (n *node) first(kind string) *node {
	for _, child := range n.Children {
		if child.Type == kind {
			return child
		}
	}
	return new(node)
}

// body is the object of a resource or module, whether it has a condition or not.
func (n *node) body() *node {
	if conditional := n.first("if_statement"); conditional.Type != "" {
		return conditional.first("object")
	}
	return n.first("object")
}

// property is the value that an object's path leads to; an empty node where there is none.
func (n *node) property(path ...string) *node {
	for _, name := range path {
		value := new(node)
		for _, property := range n.properties() {
			if property.Children[0].Text == name {
				value = property.Children[1]
			}
		}
		n = value
	}
	return n
}

// properties are an object's own, without nested resources.
func (n *node) properties() (found []*node) {
	for _, child := range n.Children {
		if child.Type == "object_property" && len(child.Children) == 2 {
			found = append(found, child)
		}
	}
	return found
}

// value is a declaration's, what stands behind its name: a variable's, or an output's.
func (n *node) value() *node { return n.Children[len(n.Children)-1] }

// content is a string's, without its quotes.
func (n *node) content() string { return strings.Trim(n.Text, "'") }
