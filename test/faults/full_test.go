package faults_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

// smallDisk mounts a file system of 1 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	require.Zero(t, os.Geteuid(), "a small tmpfs is needed, and only root may mount one: run this test as root")
	dir := t.TempDir()
	output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput()
	require.NoError(t, err, "mounting a tmpfs needs a root that may: %s", output)
	t.Cleanup(func() {
		output, err := exec.Command("umount", "-l", dir).CombinedOutput()
		require.NoError(t, err, string(output))
	})
	return dir
}

func TestAFullDiskLosesNothingAndPublishingGoesOn(t *testing.T) {
	t.Parallel()
	disk, store := smallDisk(t), t.TempDir()
	server := launch(t, store)
	server.CreateTopic(t, map[string]any{
		"name": "orders", "adapter": "fs", "connection": filepath.Join(disk, "log"), "options": map[string]string{"createDirIfNotExist": "true"},
	})
	ledger := app.NewLedger("orders", 12_000)
	ledger.Row = report.Begin(t, "full disk", "fs")
	ballast := filepath.Join(disk, "ballast")
	for range report.Times(5, 50) {
		require.NoError(t, os.WriteFile(ballast, make([]byte, 100<<10), 0o600))
		fill(t, server, ledger)
		ledger.Check(t, server)

		restarted := launch(t, store) // with the disk still full
		ledger.Check(t, restarted)
		require.Contains(t, []int{201, 503}, ledger.Publish(t, restarted, 1))
		ledger.Check(t, server)

		require.NoError(t, os.Remove(ballast))
		ledger.Row.Recover(func() {
			require.Equal(t, 201, ledger.Publish(t, server, 2), "there is space again")
			require.Equal(t, 201, ledger.Publish(t, restarted, 2), "there is space again")
		})
		server.Process.Kill()
		server = restarted
		ledger.Check(t, server)
		output, err := exec.Command("mount", "-o", "remount,size="+larger(t, disk), disk).CombinedOutput()
		require.NoError(t, err, string(output))
	}
}

// fill publishes until there is no space left, ever less at a time.
func fill(t *testing.T, server *app.Server, ledger *app.Ledger) {
	t.Helper()
	refused := 0
	for _, events := range []int{5, 3, 1} {
		for status := 0; status != 503; {
			status = ledger.Publish(t, server, events)
			require.Contains(t, []int{201, 503}, status)
		}
		ledger.Row.Inject(1)
		refused++
	}
	answer := server.Do(t, "POST", "/topics/orders/events", `{"type":"Large","data":"`+strings.Repeat("x", 200<<10)+`"}`, "Content-Type", "application/json")
	require.Equal(t, 503, answer.Status, answer.Body)
	require.Contains(t, answer.Body, `"code":"storage-unavailable"`)
	require.Contains(t, answer.Body, `"outcome":"not-stored"`)
	require.NotEmpty(t, answer.Header.Get("Retry-After"))
	require.Equal(t, 3, refused)
}

// larger is the size that gives a disk as much free space as it had.
func larger(t *testing.T, disk string) string {
	t.Helper()
	output, err := exec.Command("sh", "-c", `echo $(( $(du -sk "$0" | cut -f1) + 500 ))k`, disk).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output))
}
