package infra_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"eventstore/adapters/blob"
	"eventstore/test/app"
)

// composition is infra/docker/compose.yaml, in what it uses of the format.
type composition struct {
	Name     string
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Command     string
	Profiles    []string
	Ports       []string
	Environment map[string]string
	Volumes     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
}

func compose(t *testing.T) (c composition) {
	t.Helper()
	readYAML(t, "../../infra/docker/compose.yaml", &c)
	return c
}

// readYAML reads a file; what the type does not know is an error.
func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), path)
}

// dockerfile is what a Dockerfile's last stage says.
func dockerfile(t *testing.T, path string) (stages []string, last map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "" || word == "#":
		case word == "FROM":
			stages, last = append(stages, rest), map[string][]string{}
		default:
			last[word] = append(last[word], rest)
		}
	}
	return stages, last
}

func TestTheServicesFitTogether(t *testing.T) {
	t.Parallel()
	c := compose(t)
	for name, s := range c.Services {
		require.True(t, (s.Image == "") != (s.Build.Dockerfile == ""), "%s is built or pulled", name)
		require.NotContains(t, s.Image, ":latest", "%s is the same tomorrow", name)
		for other, on := range s.DependsOn {
			require.Contains(t, c.Services, other)
			require.Equal(t, len(c.Services[other].Healthcheck.Test) > 0, on.Condition == "service_healthy", "%s waits for %s", name, other)
		}
		for _, volume := range s.Volumes {
			require.Contains(t, c.Volumes, strings.Split(volume, ":")[0])
		}
		for _, port := range s.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s is reached from this machine alone: %s", name, port)
		}
		if s.Build.Dockerfile == "" {
			continue
		}
		file := filepath.Join("../../infra/docker", s.Build.Context, s.Build.Dockerfile)
		_, last := dockerfile(t, file)
		require.Equal(t, last["EXPOSE"][0], s.Ports[0][strings.LastIndex(s.Ports[0], ":")+1:], name)
	}
	require.Equal(t, []string{"functions"}, c.Services["functions"].Profiles)
}

func TestTheConnectionsLeadToTheServices(t *testing.T) {
	t.Parallel()
	c := compose(t)
	store, postgres := c.Services["eventstore"].Environment, c.Services["postgres"].Environment
	require.Equal(t, "postgres://"+postgres["POSTGRES_USER"]+":"+postgres["POSTGRES_PASSWORD"]+"@postgres:5432/"+postgres["POSTGRES_DB"]+"?sslmode=disable", store["EVENTSTORE_POSTGRES"])
	require.Contains(t, postgres["POSTGRES_INITDB_ARGS"], "--encoding=UTF8")
	_, err := blob.ParseAccount("EVENTSTORE_BLOB", store["EVENTSTORE_BLOB"])
	require.NoError(t, err)
	require.Contains(t, store["EVENTSTORE_BLOB"], "BlobEndpoint=http://azurite:10000/devstoreaccount1")
	require.Equal(t, store["EVENTSTORE_BLOB"], c.Services["functions"].Environment["AzureWebJobsStorage"])
	require.Contains(t, c.Services["azurite"].Command, "--skipApiVersionCheck", "it refuses the SDK's version otherwise")
}

func TestTheEmulatorIsTheOneThatTheTestsUse(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../package.json")
	require.NoError(t, err)
	var tests struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	require.NoError(t, json.Unmarshal(text, &tests))
	require.Equal(t, "mcr.microsoft.com/azure-storage/azurite:"+tests.Dependencies["azurite"], compose(t).Services["azurite"].Image)
}

func TestTheImagesAreBuiltWithTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	for _, file := range []string{"Dockerfile", "functions.Dockerfile"} {
		stages, _ := dockerfile(t, "../../infra/docker/"+file)
		require.Equal(t, "golang:"+version+"-bookworm AS build", stages[0])
	}
	var devcontainer struct{ Image string }
	text, err := os.ReadFile("../../infra/workstation/devcontainer.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &devcontainer, json.MatchCaseInsensitiveNames(true)))
	require.Equal(t, "mcr.microsoft.com/devcontainers/go:"+version+"-bookworm", devcontainer.Image)
}

func TestTheImageHasNoShellAndNoRoot(t *testing.T) {
	t.Parallel()
	stages, last := dockerfile(t, "../../infra/docker/Dockerfile")
	require.Regexp(t, `^gcr\.io/distroless/static-[a-z0-9]+:nonroot$`, stages[1])
	for _, instruction := range []string{"RUN", "SHELL", "USER"} {
		require.Empty(t, last[instruction], instruction)
	}
	require.Equal(t, []string{`["/handler"]`}, last["ENTRYPOINT"])
	require.Len(t, last["HEALTHCHECK"], 1)
	require.True(t, strings.HasSuffix(last["HEALTHCHECK"][0], `CMD ["/handler", "health"]`))
	require.Contains(t, last["COPY"][1], "--chown=65532:65532", "the user of nonroot owns the data")
}

// The binary starts with what the image and compose.yaml set, but for places of this machine's own, and its
// health check finds it well.
func TestTheImagesSettingsStartTheBinaryAndItsHealthCheckFindsIt(t *testing.T) {
	t.Parallel()
	_, last := dockerfile(t, "../../infra/docker/Dockerfile")
	require.Equal(t, []string{"EVENTSTORE_STORE=fs:/data", "EVENTSTORE_LISTEN=0.0.0.0:8080"}, last["ENV"])
	settings := []string{"EVENTSTORE_STORE=fs:" + t.TempDir()}
	for name, value := range compose(t).Services["eventstore"].Environment {
		settings = append(settings, name+"="+regexp.MustCompile(`^\$\{[A-Z_]+:-(.*)\}$`).ReplaceAllString(value, "$1"))
	}
	process := app.Launch(t, app.Staged(t), settings...)
	t.Cleanup(process.Kill)
	process.AwaitReady(t)
	check := exec.Command(filepath.Join(app.Staged(t), "handler"), "health")
	check.Env = append(settings, "EVENTSTORE_LISTEN="+strings.Replace(strings.TrimPrefix(process.URL, "http://"), "127.0.0.1", "0.0.0.0", 1))
	output, err := check.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), `"status":"ok"`)
}

func TestNoDockerfileIsAgainstTheLanguage(t *testing.T) {
	t.Parallel()
	program := "../contract/node_modules/dockerfile-utils/bin/dockerfile-utils"
	for _, file := range []string{"Dockerfile", "functions.Dockerfile"} {
		output, err := exec.Command("node", program, "lint", "../../infra/docker/"+file).CombinedOutput()
		require.NoError(t, err, string(output))
		require.Empty(t, string(output))
	}
	wrong := filepath.Join(t.TempDir(), "Dockerfile")
	require.NoError(t, os.WriteFile(wrong, []byte("FROM scratch\nCOPIE a b\n"), 0o600))
	output, _ := exec.Command("node", program, "lint", wrong).CombinedOutput()
	require.Contains(t, string(output), "COPIE")
}

// The devcontainer's own tool reads it, where editors look for it; without an engine it starts nothing.
func TestTheWorkstationIsOne(t *testing.T) {
	t.Parallel()
	place, err := filepath.EvalSymlinks("../../.devcontainer")
	require.NoError(t, err)
	require.Equal(t, "../../infra/workstation", place)
	command := exec.Command("node", "../contract/node_modules/@devcontainers/cli/devcontainer.js", "read-configuration",
		"--docker-path", "/bin/true", "--workspace-folder", "../..", "--config", "../../infra/workstation/devcontainer.json")
	output, err := command.Output()
	require.NoError(t, err)
	var read struct {
		Configuration struct {
			Features        map[string]any
			OnCreateCommand string
		}
	}
	require.NoError(t, json.Unmarshal(output[strings.IndexByte(string(output), '{'):], &read, json.MatchCaseInsensitiveNames(true)))
	for _, feature := range []string{"/node:", "/azure-cli:", "/azd:", "/azure-functions-core-tools:"} {
		found := false
		for name := range read.Configuration.Features {
			found = found || strings.Contains(name, feature)
		}
		require.True(t, found, feature)
	}
	require.Contains(t, read.Configuration.OnCreateCommand, "postgresql")
	require.Contains(t, read.Configuration.OnCreateCommand, "make tools", "Azurite is among them")
}

// What is not needed for a build stays out of it: history, secrets, and folders of megabytes.
func TestTheBuildSeesNoSecretsAndNoModules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.dockerignore")
	require.NoError(t, err)
	for _, line := range []string{".git", ".azure", "build", "data", "**/node_modules", "**/local.settings.json"} {
		require.Contains(t, strings.Split(string(text), "\n"), line)
	}
}
