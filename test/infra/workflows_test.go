package infra_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// workflow is one of GitHub's, in what the tests look at; actionlint (make lint-infra) knows the rest.
type workflow struct {
	Name        string
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Timeout     int `yaml:"timeout-minutes"`
		Environment string
		Steps       []struct{ Uses, Run string }
	}
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	found := map[string]workflow{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(text, &w), file)
		require.Equal(t, w.Name+".yml", filepath.Base(file))
		found[w.Name] = w
	}
	return found
}

func TestThereIsAWorkflowForEachTask(t *testing.T) {
	t.Parallel()
	found := workflows(t)
	for _, name := range []string{"test", "nightly", "release", "deploy"} {
		require.Contains(t, found, name)
	}
	require.Contains(t, found["test"].Jobs, "test")
	for name, needed := range map[string][]string{
		"test":    {"make test", "make lint", "make lint-infra", "govulncheck", "az bicep build", "docker compose"},
		"nightly": {"make faults", "EVENTSTORE_TEST_LONG=1"},
		"release": {"make release", "sha256sum", "gh release create"},
		"deploy":  {"make zip"},
	} {
		var commands strings.Builder
		for _, job := range found[name].Jobs {
			for _, step := range job.Steps {
				commands.WriteString(step.Run + "\n")
			}
		}
		for _, command := range needed {
			require.Contains(t, commands.String(), command, name)
		}
	}
}

func TestEveryTargetThatAWorkflowMakesIsInTheMakefile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	calls := regexp.MustCompile(`(?m)\bmake((?: [a-z-]+)+)`)
	for name, w := range workflows(t) {
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				for _, call := range calls.FindAllStringSubmatch(step.Run, -1) {
					for target := range strings.FieldsSeq(call[1]) {
						require.Regexp(t, `(?m)^`+target+`:`, string(text), name)
					}
				}
			}
		}
	}
}

func TestNoWorkflowMayMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	for name, w := range workflows(t) {
		require.Equal(t, map[string]string{"contents": "read"}, w.Permissions, name)
		for job, j := range w.Jobs {
			require.Positive(t, j.Timeout, "%s: %s ends in time", name, job)
			if name != "release" && name != "deploy" {
				require.Empty(t, j.Permissions, "%s: %s", name, job)
			}
			for _, step := range j.Steps {
				if step.Uses != "" {
					require.Regexp(t, `^[A-Za-z-]+/[a-z-]+@v\d+$`, step.Uses, name)
				}
				require.NotContains(t, step.Run, "secrets.", name)
			}
		}
	}
	deploy := workflows(t)["deploy"].Jobs["deploy"]
	require.Equal(t, map[string]string{"contents": "read", "id-token": "write"}, deploy.Permissions)
	require.Equal(t, "production", deploy.Environment)
	text, err := os.ReadFile("../../.github/workflows/deploy.yml")
	require.NoError(t, err)
	require.NotContains(t, string(text), "secrets.", "it signs in by OIDC")
}
