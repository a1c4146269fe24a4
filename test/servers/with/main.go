// Command with runs another command with a PostgreSQL server and an Azurite, which it
// names in the environment, and ends them when the command has ended:
//
//	go run ./test/servers/with go test ./...
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"eventstore/test/servers"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
		code = 1
	}
	os.Exit(code)
}

// run runs a command and reports its exit code.
func run(command []string) (code int, err error) {
	if len(command) == 0 {
		return 0, errors.New("usage: with COMMAND [ARGUMENT…]")
	}
	environment, end, err := servers.StartAll()
	if err != nil {
		return 0, err
	}
	child := exec.Command(command[0], command[1:]...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = append(os.Environ(), environment...)
	err = child.Run()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		code, err = max(failed.ExitCode(), 1), nil
	}
	return code, errors.Join(err, end())
}
