package infra_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/functions"
)

// hostSettings are those that the Functions host reads and the store does not, with where that is said.
var hostSettings = map[string]string{
	"APPLICATIONINSIGHTS_CONNECTION_STRING":     "functions-app-settings: telemetry of the host",
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "functions-app-settings: telemetry by Entra identity",
}

// topicSettings are read by the name that a topic's connection gives, as in %EVENTSTORE_POSTGRES%.
var topicSettings = []string{"EVENTSTORE_POSTGRES", "EVENTSTORE_BLOB"}

// forbidden are settings that Flex Consumption refuses or ignores.
var forbidden = regexp.MustCompile(`^(FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT.*|` +
	`SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|TZ|WEBSITE_TIME_ZONE|AzureWebJobsStorage)$`)

func TestEverySettingOfTheBicepIsReadBySomeone(t *testing.T) {
	t.Parallel()
	read := settingsOfTheSource(t)
	set := bicepSettings(t)
	require.Contains(t, set, "EVENTSTORE_AUTH", "settings that are set on a condition count too")
	for name := range set {
		_, ofHost := hostSettings[name]
		require.True(t, ofHost || read[name] || slices.Contains(topicSettings, name), "nothing reads %s", name)
		require.NotRegexp(t, forbidden, name)
	}
	for name := range hostSettings {
		require.Contains(t, set, name)
		require.False(t, read[name], "%s is read by the store: it is no setting of the host's alone", name)
	}
}

// bicepSettings are the app settings of app.bicep with their expressions.
func bicepSettings(t *testing.T) map[string]*node {
	t.Helper()
	found := map[string]*node{}
	app := parsed(t)["app/app.bicep"].Root
	merged := strings.FieldsFunc(resource(t, app, "appSettings").body().property("properties").first("arguments").Text, func(r rune) bool { return strings.ContainsRune("(, )", r) })
	require.NotEmpty(t, merged)
	for _, variable := range app.all("variable_declaration") {
		if !slices.Contains(merged, variable.name()) {
			continue
		}
		for _, object := range variable.value().all("object") {
			for _, property := range object.properties() {
				found[property.name()] = property.Children[1]
			}
		}
	}
	return found
}

func resource(t *testing.T, root *node, name string) *node {
	t.Helper()
	for _, declaration := range root.all("resource_declaration") {
		if declaration.name() == name {
			return declaration
		}
	}
	require.Fail(t, "there is no resource "+name)
	return nil
}

// settingsOfTheSource are the texts of the store's source that may be a setting's name.
func settingsOfTheSource(t *testing.T) map[string]bool {
	t.Helper()
	name := regexp.MustCompile(`^([A-Z][A-Z0-9]*(_[A-Z0-9]+)+|AzureWebJobs[A-Za-z_]+)$`)
	found := map[string]bool{}
	for _, dir := range []string{"../../handler", "../../adapters"} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil && name.MatchString(text) {
						found[text] = true
					}
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	return found
}

// The README's tables are the one list of settings for people, so they have them all, and no other.
func TestTheReadmeListsEverySettingOfTheStore(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	listed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `") {
			for _, match := range regexp.MustCompile("`((?:[A-Z]+_[A-Z_]+|AzureWebJobs[A-Za-z_]+))`").FindAllStringSubmatch(cells[1], -1) {
				listed[match[1]] = true
			}
		}
	}
	require.Contains(t, listed, "EVENTSTORE_STORE")
	read := settingsOfTheSource(t)
	for name := range read {
		if strings.HasPrefix(name, "EVENTSTORE_") || strings.HasSuffix(name, "_SCHEDULE") || strings.HasPrefix(name, "OTEL_") {
			require.True(t, listed[name], "the README's settings lack %s", name)
		}
	}
	for name := range listed {
		require.True(t, read[name], "the README lists %s, which nothing reads", name)
	}
}

func TestEveryTimersScheduleIsSetWhereverTheHostRuns(t *testing.T) {
	t.Parallel()
	var schedules []string
	all, err := functions.All()
	require.NoError(t, err)
	for _, f := range all {
		if f.Trigger().Type == "timerTrigger" {
			schedules = append(schedules, strings.Trim(f.Trigger().Schedule, "%"))
		}
	}
	require.Len(t, schedules, 3)
	isSchedule := func(name string) bool { return strings.HasSuffix(name, "_SCHEDULE") }
	for where, names := range map[string][]string{
		"app.bicep":                   slices.Collect(maps.Keys(bicepSettings(t))),
		"local.settings.json.example": slices.Collect(maps.Keys(localSettings(t))),
		"compose.yaml":                slices.Collect(maps.Keys(compose(t).Services["functions"].Environment)),
	} {
		require.ElementsMatch(t, schedules, slices.DeleteFunc(names, func(name string) bool { return !isSchedule(name) }), where)
	}
}

// localSettings are the values of the example for Core Tools.
func localSettings(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../local.settings.json.example")
	require.NoError(t, err)
	var settings struct {
		IsEncrypted bool
		Values      map[string]string
		Host        map[string]any
	}
	require.NoError(t, json.Unmarshal(text, &settings, json.RejectUnknownMembers(true)))
	return settings.Values
}

func TestTheExampleForCoreToolsHasWhatTheHostNeeds(t *testing.T) {
	t.Parallel()
	values := localSettings(t)
	require.Equal(t, "custom", values["FUNCTIONS_WORKER_RUNTIME"])
	require.Equal(t, "UseDevelopmentStorage=true", values["AzureWebJobsStorage"])
	read := settingsOfTheSource(t)
	for name := range values {
		require.True(t, read[name] || name == "FUNCTIONS_WORKER_RUNTIME", "nothing reads %s", name)
	}
}
