package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The requests are sent by httpyac, which checks what they assert; only the server's address is another one.
func TestTheRequestsAnswerWhatTheyAssert(t *testing.T) {
	t.Parallel()
	server, _ := local(t)
	files, err := filepath.Glob("../../examples/http/*.http")
	require.NoError(t, err)
	dir, requests := t.TempDir(), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		const address = "@url = http://127.0.0.1:8080\n"
		require.Equal(t, 1, strings.Count(string(text), address), file)
		requests += strings.Count("\n"+string(text), "\n###")
		text = []byte(strings.Replace(string(text), address, "@url = "+server.URL+"\n", 1))
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600))
	}
	program, err := filepath.Abs("../contract/node_modules/httpyac/bin/httpyac.js")
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "node", program, "send", "*.http", "--all", "--no-color", "--output", "short")
	command.Dir = dir
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	summary := regexp.MustCompile(`(\d+) requests processed \((\d+) succeeded`).FindSubmatch(output)
	require.NotNil(t, summary, string(output))
	require.Equal(t, []string{strconv.Itoa(requests), strconv.Itoa(requests)}, []string{string(summary[1]), string(summary[2])}, string(output))
}
