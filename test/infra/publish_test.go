package infra_test

import (
	"archive/zip"
	"debug/elf"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/functions"
)

// zipped is what `make zip` makes, the same that is published; a file that Core Tools left in the staged app is
// there before.
func zipped(t *testing.T) string {
	t.Helper()
	folder, file := filepath.Join(t.TempDir(), "staged"), filepath.Join(t.TempDir(), "app.zip")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "local.settings.json"), []byte("{}"), 0o600))
	command := exec.Command("make", "-s", "-C", "../..", "zip", "AZURE="+folder, "ZIP="+file)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	return file
}

func TestThePublishedZipIsWhatAzureExpects(t *testing.T) {
	t.Parallel()
	archive, err := zip.OpenReader(zipped(t))
	require.NoError(t, err)
	defer archive.Close()
	want := map[string]fs.FileMode{"host.json": 0o644, "handler": 0o755}
	all, err := functions.All()
	require.NoError(t, err)
	for _, f := range all {
		want[f.Name+"/function.json"] = 0o644
	}
	got := map[string]fs.FileMode{}
	for _, file := range archive.File {
		got[file.Name] = file.Mode()
	}
	require.Equal(t, want, got, "these files and no others")
	requireStaticLinux(t, archive)
}

// requireStaticLinux: the host is linux on amd64, wherever the zip was made.
func requireStaticLinux(t *testing.T, archive *zip.ReadCloser) {
	t.Helper()
	entry, err := archive.Open("handler")
	require.NoError(t, err)
	defer entry.Close()
	content, err := io.ReadAll(entry)
	require.NoError(t, err)
	program, err := elf.NewFile(strings.NewReader(string(content)))
	require.NoError(t, err)
	require.Equal(t, elf.EM_X86_64, program.Machine)
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	for _, part := range program.Progs {
		require.NotEqual(t, elf.PT_INTERP, part.Type, "it needs no loader")
	}
}

// The hook publishes that zip to the app that azd made, and tries again while roles are not known yet. azd, az and
// make stand in for themselves here; make zip is tested above.
func TestTheHookPublishesTheZipUntilItIsTaken(t *testing.T) {
	t.Parallel()
	programs, record := t.TempDir(), filepath.Join(t.TempDir(), "record")
	for name, script := range map[string]string{
		"azd":   `case "$3" in AZURE_FUNCTION_APP_NAME) echo func-1;; AZURE_RESOURCE_GROUP) echo rg-1;; EVENTSTORE_URL) echo https://func-1.azurewebsites.net;; *) exit 1;; esac`,
		"az":    `echo "az $*" >>"$RECORD"; [ "$(grep -c ^az "$RECORD")" -gt "$REFUSALS" ]`,
		"make":  `echo "make $*" >>"$RECORD"`,
		"sleep": `echo "sleep $*" >>"$RECORD"`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	run := func(refusals string) (recorded, output string, err error) {
		os.Remove(record)
		command := exec.Command("sh", "../../infra/deploy.sh")
		command.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "RECORD="+record, "REFUSALS="+refusals)
		said, err := command.CombinedOutput()
		text, _ := os.ReadFile(record)
		return string(text), string(said), err
	}
	publish := "az functionapp deployment source config-zip --resource-group rg-1 --name func-1 --src build/app.zip\n"

	recorded, output, err := run("0")
	require.NoError(t, err, output)
	require.Equal(t, "make zip\n"+publish, recorded)
	require.Contains(t, output, "https://func-1.azurewebsites.net")

	recorded, output, err = run("2")
	require.NoError(t, err, output)
	require.Equal(t, "make zip\n"+publish+"sleep 30\n"+publish+"sleep 30\n"+publish, recorded)

	recorded, _, err = run("100")
	require.Error(t, err)
	require.Equal(t, 6, strings.Count(recorded, publish))
}

// What the hooks ask azd for is what the Bicep outputs.
func TestTheHooksReadOutputsThatThereAre(t *testing.T) {
	t.Parallel()
	outputs := parsed(t)["main.bicep"].outputs()
	for _, hook := range []string{"deploy.sh", "deploy.ps1"} {
		text, err := os.ReadFile("../../infra/" + hook)
		require.NoError(t, err)
		parts := strings.Split(string(text), "azd env get-value ")
		require.Greater(t, len(parts), 1)
		for _, part := range parts[1:] {
			name := strings.FieldsFunc(part, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') })[0]
			require.Contains(t, outputs, name, hook)
		}
	}
	var azure struct {
		Name  string
		Infra struct{ Provider, Path, Module string }
		Hooks map[string]map[string]struct{ Shell, Run string }
	}
	readYAML(t, "../../azure.yaml", &azure)
	require.Equal(t, "sh infra/deploy.sh", azure.Hooks["postdeploy"]["posix"].Run)
	require.Equal(t, "./infra/deploy.ps1", azure.Hooks["postdeploy"]["windows"].Run)
	require.FileExists(t, filepath.Join("../..", azure.Infra.Path, azure.Infra.Module+".bicep"))
}
