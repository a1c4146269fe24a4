package infra_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryBicepFileIsGoodSyntax(t *testing.T) {
	t.Parallel()
	require.Len(t, parsed(t), 9)
	for name, file := range parsed(t) {
		require.False(t, file.Broken, name)
	}
	require.True(t, parseText(t, "param name string = {").Broken)
}

// functions of Bicep that the files may call.
var builtIn = []string{"empty", "environment", "guid", "subscription", "subscriptionResourceId", "tenant", "toLower", "union", "uniqueString", "uriComponent"}

func TestEveryNameIsDeclaredAndEveryDeclarationUsed(t *testing.T) {
	t.Parallel()
	for name, file := range parsed(t) {
		declared, used := file.declared(), file.used()
		for _, declaration := range slices.Sorted(maps.Keys(declared)) {
			if kind := declared[declaration]; kind == "parameter_declaration" || kind == "variable_declaration" {
				require.Contains(t, used, declaration, "%s declares it and never uses it", name)
			}
		}
		for use := range used {
			require.True(t, declared[use] != "" || slices.Contains(builtIn, use), "%s uses %s, which it does not declare", name, use)
		}
	}
}

func TestAnUnknownNameIsFound(t *testing.T) {
	t.Parallel()
	file := parseText(t, "param known string\nvar object = { known: unknown, other: known }\n")
	require.Contains(t, file.used(), "unknown")
	require.NotContains(t, file.used(), "other")
	require.NotContains(t, file.used(), "object")
	require.Equal(t, map[string]string{"known": "parameter_declaration", "object": "variable_declaration"}, file.declared())
}

// declared are the names that a file declares, with the type of their declarations.
func (b *bicep) declared() map[string]string {
	names := map[string]string{}
	b.Root.walk(func(n *node, _ []*node) {
		if strings.HasSuffix(n.Type, "_declaration") && n.Type != "output_declaration" || n.Type == "for_statement" {
			names[n.name()] = n.Type
		}
	})
	return names
}

// used are the names that stand in expressions.
func (b *bicep) used() map[string]bool {
	names := map[string]bool{}
	b.Root.walk(func(n *node, above []*node) {
		if n.Type != "identifier" || len(above) == 0 {
			return
		}
		parent := above[len(above)-1]
		isName := strings.HasSuffix(parent.Type, "_declaration") || parent.Type == "object_property" || parent.Type == "decorator"
		inDecorator := slices.ContainsFunc(above, func(n *node) bool { return n.Type == "decorator" || n.Type == "decorators" })
		if !inDecorator && (!isName || parent.Children[0] != n) {
			names[n.Text] = true
		}
	})
	return names
}

// modules are the module declarations of a file, with the path of what they deploy.
func (b *bicep) modules(from string) map[*node]string {
	found := map[*node]string{}
	for _, module := range b.Root.all("module_declaration") {
		found[module] = path.Join(path.Dir(from), module.first("string").content())
	}
	return found
}

func TestEveryModuleIsGivenWhatItTakes(t *testing.T) {
	t.Parallel()
	files := parsed(t)
	deployed := map[string]bool{"main.bicep": true}
	for name, file := range files {
		for module, target := range file.modules(name) {
			require.Contains(t, files, target, name)
			deployed[target] = true
			var given, required, known []string
			for _, property := range module.body().property("params").properties() {
				given = append(given, property.name())
			}
			for _, parameter := range files[target].Root.all("parameter_declaration") {
				known = append(known, parameter.name())
				if !hasDefault(parameter) {
					required = append(required, parameter.name())
				}
			}
			require.Subset(t, known, given, "%s gives %s what it does not take", name, target)
			require.Subset(t, given, required, "%s does not give %s what it needs", name, target)
		}
	}
	require.Len(t, deployed, len(files), "every file is deployed")
}

// hasDefault reports whether a parameter may be left out.
func hasDefault(parameter *node) bool { return strings.Contains(parameter.Text, "=") }

func TestEveryOutputThatIsReadExistsAndEveryOutputIsRead(t *testing.T) {
	t.Parallel()
	files := parsed(t)
	read := map[string]bool{}
	for name, file := range files {
		targets := map[string]string{}
		for module, target := range file.modules(name) {
			targets[module.name()] = target
		}
		for _, member := range file.Root.all("member_expression") {
			module, output, found := strings.Cut(strings.ReplaceAll(member.Text, "!", ""), ".outputs.")
			if !found {
				continue
			}
			target := targets[module]
			require.NotEmpty(t, target, "%s reads an output of %s, which is no module", name, module)
			require.Contains(t, files[target].outputs(), output, "%s reads what %s does not output", name, target)
			read[target+" "+output] = true
		}
	}
	for name, file := range files {
		for output := range file.outputs() {
			require.True(t, name == "main.bicep" || read[name+" "+output], "%s outputs %s, which nobody reads", name, output)
		}
	}
}

// outputs are a file's by name.
func (b *bicep) outputs() map[string]*node {
	found := map[string]*node{}
	for _, output := range b.Root.all("output_declaration") {
		found[output.name()] = output
	}
	return found
}

// What is deployed on a condition has outputs on that condition alone.
func TestAModuleThatMayBeAbsentIsReadOnItsConditionAlone(t *testing.T) {
	t.Parallel()
	checked := 0
	for name, file := range parsed(t) {
		for module := range file.modules(name) {
			conditional := module.first("if_statement")
			if conditional.Type == "" {
				continue
			}
			condition := strings.Trim(conditional.first("parenthesized_expression").Text, "()")
			file.Root.walk(func(n *node, above []*node) {
				if n.Type != "member_expression" || n.Text != module.name()+"!.outputs" {
					require.False(t, n.Type == "member_expression" && n.Text == module.name()+".outputs", "%s reads %s without a doubt", name, module.name())
					return
				}
				checked++
				require.True(t, slices.ContainsFunc(above, func(n *node) bool {
					return n.Type == "ternary_expression" && n.Children[0].Text == condition
				}), "%s reads %s whether %s or not", name, module.name(), condition)
			})
		}
	}
	require.Positive(t, checked)
}
