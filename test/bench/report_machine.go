package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"eventstore/test/bench/report"
)

// thisMachine is what there is to know of it, but for its name.
func thisMachine() report.Machine {
	m := report.Machine{
		Processor: inFile("/proc/cpuinfo", `model name\s*: (.*)`), Processors: runtime.NumCPU(),
		OS: inFile("/etc/os-release", `PRETTY_NAME="(.*)"`) + ", " + runtime.GOOS + " " + inFile("/proc/version", `version ([0-9.]+)`), FileSystem: fileSystem(os.TempDir()),
		Versions: map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")},
	}
	kilobytes, _ := strconv.ParseFloat(inFile("/proc/meminfo", `MemTotal:\s+(\d+) kB`), 64)
	m.MemoryGiB = float64(int(kilobytes/(1<<20)*10)) / 10
	if postgres, err := postgresProgram("postgres"); err == nil {
		m.Versions["PostgreSQL"] = told(exec.Command(postgres, "--version"), `([0-9.]+)`)
	}
	m.Versions["Node.js"] = told(exec.Command("node", "--version"), `v(\S+)`)
	m.Versions["Azurite"] = inFile("test/node_modules/azurite/package.json", `"version": *"([^"]+)"`)
	return m
}

// inFile is what a file says where the pattern has its group; "unknown" where it does not.
func inFile(path, pattern string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return in(text, pattern)
}

// told is what a program says.
func told(command *exec.Cmd, pattern string) string {
	text, err := command.Output()
	if err != nil {
		return "unknown"
	}
	return in(text, pattern)
}

func in(text []byte, pattern string) string {
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return "unknown"
	}
	return strings.TrimSpace(string(found[1]))
}

// fileSystem is the kind of file system that a directory is on.
func fileSystem(dir string) string {
	var about syscall.Statfs_t
	if err := syscall.Statfs(dir, &about); err != nil {
		return "unknown"
	}
	kinds := map[int64]string{0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlayfs", 0x2fc12fc1: "zfs", 0x6969: "nfs"}
	if kind, known := kinds[int64(about.Type)]; known {
		return kind
	}
	return fmt.Sprintf("%#x", about.Type)
}
