package acceptance_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

// The README's section on the command line is run as it stands, against a server of its own.
func TestTheReadmesCommandLinesWorkAsPasted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Command line\n")
	require.True(t, found)
	_, section, _ = strings.Cut(section, "```sh\n")
	script, _, _ := strings.Cut(section, "```")
	require.Greater(t, strings.Count(script, "handler "), 8)

	server := app.Local(t)
	command := exec.CommandContext(t.Context(), "bash", "-ec", "set -o pipefail\n"+script)
	command.Env = append(os.Environ(), "PATH="+app.Staged(t)+":"+os.Getenv("PATH"), "EVENTSTORE_URL="+server.URL)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), `"stored":0,"duplicates":3`)
	require.Contains(t, string(output), `{"documents":[{"key":"order-1","value":{"total":19.5}}]}`)
	require.Contains(t, string(output), "3 events are verified")
	require.Contains(t, string(output), `"status":"ok"`)
}
