package infra_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// roles are all that anybody is given, with what needs it.
var roles = map[string]struct{ scope, principal, why string }{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": {"account", "identityPrincipalId", "Storage Blob Data Owner: the host's timers, leases and keys; topics and documents"},
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": {"account", "operatorId", "Storage Blob Data Contributor: fsck, export, move and restore from a workstation, where it is asked for"},
	"3913510d-42f4-4e42-8a64-420c390055eb": {"insights", "identityPrincipalId", "Monitoring Metrics Publisher: telemetry without a key"},
}

func TestNobodyHasARoleThatNothingNeeds(t *testing.T) {
	t.Parallel()
	given := 0
	for name, file := range parsed(t) {
		ids := map[string]string{} // variables that hold a role's id
		for _, variable := range file.Root.all("variable_declaration") {
			ids[variable.name()] = variable.value().content()
		}
		for _, assignment := range file.Root.all("resource_declaration") {
			if !strings.HasPrefix(assignment.first("string").content(), "Microsoft.Authorization/roleAssignments@") {
				continue
			}
			given++
			definition := assignment.body().property("properties", "roleDefinitionId").Text
			match := regexp.MustCompile(`^subscriptionResourceId\('Microsoft.Authorization/roleDefinitions', (\w+)\)$`).FindStringSubmatch(definition)
			require.NotNil(t, match, "%s: %s", name, definition)
			role, known := roles[ids[match[1]]]
			require.True(t, known, "%s gives the role %s, of which it is not said what needs it", name, match[1])
			require.Equal(t, role.scope, assignment.body().property("scope").Text, name)
			require.Equal(t, role.principal, assignment.body().property("properties", "principalId").Text, name)
			// A name that is made of all three, so that another deployment finds the same one.
			require.Equal(t, "guid("+role.scope+".id, "+role.principal+", "+match[1]+")", assignment.body().property("name").Text, name)
		}
	}
	require.Len(t, roles, given)
}

// No role lets the app use queues, tables, secrets or the management of resources; so no code may need one.
func TestTheBinaryCallsNoServiceThatItHasNoRoleFor(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("go", "list", "-deps", "../../handler").Output()
	require.NoError(t, err)
	clients := map[string]bool{}
	for dependency := range strings.SplitSeq(string(output), "\n") {
		if rest, ok := strings.CutPrefix(dependency, "github.com/Azure/azure-sdk-for-go/sdk/"); ok {
			parts := strings.SplitN(rest, "/", 3)
			clients[strings.Join(parts[:min(2, len(parts))], "/")] = true
		}
	}
	for client := range clients {
		require.Regexp(t, `^(azcore|azidentity|internal|storage/azblob|storage/internal)(/|$)`, client)
	}
	require.Contains(t, clients, "storage/azblob")
}

func TestNoKeyIsSwitchedOnReadOrHandedOut(t *testing.T) {
	t.Parallel()
	files := parsed(t)
	account := resource(t, files["app/storage.bicep"].Root, "account").body()
	require.Equal(t, "false", account.property("properties", "allowSharedKeyAccess").Text)
	require.Equal(t, "false", account.property("properties", "allowBlobPublicAccess").Text)
	require.Equal(t, "true", resource(t, files["app/monitoring.bicep"].Root, "insights").body().property("properties", "DisableLocalAuth").Text)
	authentication := resource(t, files["app/postgres.bicep"].Root, "server").body().property("properties", "authConfig")
	require.Equal(t, "'Disabled'", authentication.property("passwordAuth").Text)
	require.Equal(t, "'Enabled'", authentication.property("activeDirectoryAuth").Text)
	for name, file := range files {
		require.NotRegexp(t, `(?i)listkeys|listaccountsas|listservicesas|accountkey|sharedaccess|instrumentationkey|administratorlogin|\.keys\b`, file.Root.Text, name)
		for output, declaration := range file.outputs() {
			require.NotRegexp(t, `(?i)key|secret|password|connectionstring|token`, strings.ReplaceAll(declaration.value().Text, "token}", "}"), "%s outputs %s", name, output)
		}
	}
	for _, policy := range []string{"ftp", "scm"} {
		require.Equal(t, "false", resource(t, files["app/app.bicep"].Root, policy).body().property("properties", "allow").Text)
	}
}

func TestTheAppIsWhatFlexConsumptionWantsOfACustomHandler(t *testing.T) {
	t.Parallel()
	root := parsed(t)["app/app.bicep"].Root
	app := resource(t, root, "app").body()
	for _, tt := range []struct {
		path, value string
	}{
		{"kind", "'functionapp,linux'"},
		{"properties.httpsOnly", "true"},
		{"properties.siteConfig.alwaysOn", "false"},
		{"properties.siteConfig.cors", ""},
		{"properties.functionAppConfig.runtime.name", "'custom'"},
		{"properties.functionAppConfig.runtime.version", "'1.0'"},
		{"properties.functionAppConfig.deployment.storage.type", "'blobContainer'"},
		{"properties.functionAppConfig.deployment.storage.value", "'${account.properties.primaryEndpoints.blob}${deploymentContainer}'"},
		{"properties.functionAppConfig.deployment.storage.authentication.type", "'UserAssignedIdentity'"},
		{"properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId", "identityId"},
		{"properties.functionAppConfig.scaleAndConcurrency.alwaysReady", "alwaysReadyHttp == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyHttp }]"},
	} {
		require.Equal(t, tt.value, app.property(strings.Split(tt.path, ".")...).Text, tt.path)
	}
	require.Equal(t, "{ name: 'FC1', tier: 'FlexConsumption' }", resource(t, root, "plan").body().property("sku").Text)
	subnet := parsed(t)["app/network.bicep"].Root.Text
	require.Contains(t, subnet, "serviceName: 'Microsoft.App/environments'")
	settings := bicepSettings(t)
	require.Equal(t, "account.properties.primaryEndpoints.blob", settings["AzureWebJobsStorage__blobServiceUri"].Text)
	require.Equal(t, "identityClientId", settings["AzureWebJobsStorage__clientId"].Text)
	require.Equal(t, "identityClientId", settings["AZURE_CLIENT_ID"].Text)
}

// The container that the settings name is one that exists, so that no role to create it is needed.
func TestTheStoresContainerIsMadeBeforehand(t *testing.T) {
	t.Parallel()
	_, container, _ := strings.Cut(bicepSettings(t)["EVENTSTORE_STORE"].content(), "blob:")
	require.Equal(t, container, resource(t, parsed(t)["app/storage.bicep"].Root, "events").body().property("name").content())
}

// A caller's header names who is signed in; only the module in front makes it true.
func TestTheStoreBelievesEntraOnlyBehindItsModule(t *testing.T) {
	t.Parallel()
	root := parsed(t)["app/app.bicep"].Root
	module := resource(t, root, "authentication")
	require.Equal(t, "(!empty(entraClientId))", module.first("if_statement").first("parenthesized_expression").Text)
	require.Equal(t, "'authsettingsV2'", module.body().property("name").Text)
	require.Equal(t, "true", module.body().property("properties", "platform", "enabled").Text)
	require.Equal(t, "true", module.body().property("properties", "globalValidation", "requireAuthentication").Text)
	require.Equal(t, "[authentication]", resource(t, root, "appSettings").body().property("dependsOn").Text)
	require.Contains(t, root.Text, "var entraSettings = empty(entraClientId) ? {} : { EVENTSTORE_AUTH: 'entra' }")
}

func TestEveryParameterCanBeSetFromAzdsEnvironment(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../infra/main.parameters.json")
	require.NoError(t, err)
	var file struct {
		Parameters map[string]struct{ Value string }
	}
	require.NoError(t, json.Unmarshal(text, &file, json.MatchCaseInsensitiveNames(true)))
	declared := map[string]bool{}
	for _, parameter := range parsed(t)["main.bicep"].Root.all("parameter_declaration") {
		declared[parameter.name()] = true
		given, found := file.Parameters[parameter.name()]
		require.True(t, found, "main.parameters.json lacks %s", parameter.name())
		match := regexp.MustCompile(`^\$\{([A-Z_]+)(?:=(.*))?\}$`).FindStringSubmatch(given.Value)
		require.NotNil(t, match, given.Value)
		_, fallback, optional := strings.Cut(parameter.Text, " = ")
		require.Equal(t, optional, strings.Contains(given.Value, "="), "%s has a default in both files or in none", parameter.name())
		require.Equal(t, strings.Trim(fallback, "'"), match[2], "%s has one default", parameter.name())
		switch parameter.first("type").Text { // azd makes these of texts
		case "int":
			_, err := strconv.Atoi(match[2])
			require.NoError(t, err, parameter.name())
		case "bool":
			_, err := strconv.ParseBool(match[2])
			require.NoError(t, err, parameter.name())
		}
	}
	for name := range file.Parameters {
		require.True(t, declared[name], "main.bicep has no parameter %s", name)
	}
}
