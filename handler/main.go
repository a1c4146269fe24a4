// Command handler is the event store: a custom handler of the Azure Functions host, and a server of
// its own where there is no host.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr), os.Stderr))
}

// version is set when a release is linked.
var version = "dev"

// errUsage says that the command line is wrong; the usage was written.
var errUsage = errors.New("wrong usage")

// exitCode tells an error, and is 0 without one, 2 for a wrong command line and 1 for the rest.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	tell(stderr, "eventstore: %s\n", oneLine(err.Error()))
	return 1
}

// oneLine is a message without its line breaks: a database's has one for each address that was tried.
func oneLine(message string) string {
	lines := strings.FieldsFunc(message, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, " ")
}

// process is what a command has of the world outside.
type process struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// command is one word behind the program's name.
type command struct {
	name, summary string
	run           func(ctx context.Context, p process, args []string) error
}

// commandTable lists them all, in the order of the help. The first is run where none is named.
func commandTable() []command {
	commands := []command{
		{"serve", "serve the API: under the Functions host, else on EVENTSTORE_LISTEN (default 127.0.0.1:8080)", serve},
	}
	commands = append(commands, storageCommands()...)
	commands = append(commands, command{"replay", "rebuild a projection here and now: replay NAME", replayProjection})
	return append(commands,
		command{"health", "ask a running instance how it is: the one at EVENTSTORE_URL, or that these settings would start", askHealth},
		command{"version", "print the version", printVersion},
		command{"help", "print this", help},
	)
}

// run runs the command that args name. It returns when that is done, or ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	p := process{getenv, stdout, stderr}
	if len(args) == 0 {
		return commandTable()[0].run(ctx, p, nil)
	}
	name := args[0]
	if name == "-h" || name == "--help" || name == "-help" {
		name = "help"
	}
	for _, command := range commandTable() {
		if command.name == name {
			return command.run(ctx, p, args[1:])
		}
	}
	tell(stderr, "eventstore: there is no command %q\n\n", args[0])
	usage(stderr)
	return errUsage
}

// tell writes a message to somebody who may have gone.
func tell(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func usage(w io.Writer) {
	tell(w, "usage: handler [command]\n\n")
	for _, command := range commandTable() {
		tell(w, "  %-10s %s\n", command.name, command.summary)
	}
	tell(w, "\nSettings are environment variables; README.md lists them.\n")
}

// noArguments refuses arguments of a command that has none.
func noArguments(p process, command string, args []string) error {
	if len(args) == 0 {
		return nil
	}
	tell(p.stderr, "eventstore: %s takes no arguments, not %q\n\n", command, args[0])
	usage(p.stderr)
	return errUsage
}

func help(_ context.Context, p process, args []string) error {
	if err := noArguments(p, "help", args); err != nil {
		return err
	}
	usage(p.stdout)
	return nil
}

func printVersion(_ context.Context, p process, args []string) error {
	if err := noArguments(p, "version", args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "eventstore %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
