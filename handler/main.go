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

	"github.com/spf13/cobra"

	"eventstore/handler/cli"
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
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs the command that args name. It returns when that is done, or ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	return process{getenv, os.Stdin, stdout, stderr}.run(ctx, args)
}

func (p process) run(ctx context.Context, args []string) error {
	if len(args) == 0 { // as the host starts it, where every millisecond is waited for
		return serve(ctx, p)
	}
	root, begun := newRoot(p)
	root.SetArgs(args)
	chosen, err := root.ExecuteContextC(ctx)
	var wrong *cli.UsageError
	if err != nil && (!*begun || errors.As(err, &wrong)) {
		tell(p.stderr, "eventstore: %s\n\n%s", err, chosen.UsageString())
		return errUsage
	}
	return err
}

// newRoot makes the tree of commands. begun tells whether one of them was begun: what is wrong before is the command line.
func newRoot(p process) (root *cobra.Command, begun *bool) {
	begun = new(bool)
	root = &cobra.Command{
		Use: "handler", Short: "An event store: the server, and the commands to work with one.",
		Long: "An event store: the server, and the commands to work with one.\n\n" +
			"Without a command it serves the API: under the Functions host, else on EVENTSTORE_LISTEN (default 127.0.0.1:8080).\n" +
			"Settings are environment variables; README.md lists them.",
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		PersistentPreRun: func(*cobra.Command, []string) { *begun = true },
		RunE:             func(c *cobra.Command, _ []string) error { return serve(c.Context(), p) },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddGroup(&cobra.Group{ID: "instance", Title: "With a running instance:"}, &cobra.Group{ID: "storage", Title: "On the storage itself, with the server's settings:"},
		&cobra.Group{ID: "process", Title: "Of the program:"})
	world := cli.World{Getenv: p.getenv, Stdin: p.stdin, Stdout: p.stdout, Stderr: p.stderr, Instance: func() (string, error) { return instanceURL(p.getenv) }}
	addGroup(root, "instance", append(cli.Commands(world), healthCommand(p))...)
	addGroup(root, "storage", storageCommands(p)...)
	addGroup(root, "process", serveCommand(p), versionCommand(p))
	root.SetHelpCommandGroupID("process")
	root.SetCompletionCommandGroupID("process")
	return root, begun
}

func addGroup(root *cobra.Command, id string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}

func serveCommand(p process) *cobra.Command {
	return &cobra.Command{Use: "serve", Short: "serve the API, as without a command", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), p) }}
}

func versionCommand(p process) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "print the version", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintf(p.stdout, "eventstore %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	}}
}

// tell writes a message to somebody who may have gone.
func tell(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
