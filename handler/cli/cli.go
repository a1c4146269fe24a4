// Package cli is the command line that talks to a running instance: topics, events, subscriptions and projections, over the
// API alone. Results are JSON, one value a line, on standard output; messages are on standard error.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// World is what the commands have of the world outside.
type World struct {
	Getenv         func(string) string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Instance is the address of the instance that is meant where nobody says.
	Instance func() (string, error)
}

// Commands are those of this package.
func Commands(w World) []*cobra.Command {
	return []*cobra.Command{topicCommands(w), publishCommand(w), importCommand(w), queryCommand(w), tailCommand(w),
		subscriptionCommands(w), projectionCommands(w)}
}

// UsageError says what is wrong with a command line.
type UsageError struct{ reason string }

func (e *UsageError) Error() string { return e.reason }

// Usage is the error of a command line that is wrong.
func Usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// group makes a command of commands.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usage("%s needs a command behind it", c.CommandPath())
		}
		reason := fmt.Sprintf("%s has no command %q", c.CommandPath(), args[0])
		for _, near := range c.SuggestionsFor(args[0]) {
			reason += "; did you mean " + near + "?"
		}
		return Usage("%s", reason)
	}}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(commands...)
	return c
}

// asking makes a command that asks an instance. names says what its first arguments are, for completion.
func asking(w World, use, short string, args cobra.PositionalArgs, run func(t *talk, args []string) error, names ...lister) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
		t, err := begin(w, c)
		if err != nil {
			return err
		}
		return run(t, args)
	}}
	c.Flags().String("url", "", "the `address` of the instance (else EVENTSTORE_URL, else the one that these settings would start)")
	c.ValidArgsFunction = completed(w, names)
	return c
}

// talk is one command under way.
type talk struct {
	World
	*client
	ctx     context.Context
	command *cobra.Command
}

func begin(w World, c *cobra.Command) (*talk, error) {
	url, err := c.Flags().GetString("url")
	if err == nil && url == "" {
		url, err = w.Instance()
	}
	if err != nil {
		return nil, err
	}
	client, err := newClient(url, w.Getenv("EVENTSTORE_KEY"), w.Getenv("EVENTSTORE_TOKEN"))
	if err != nil {
		return nil, err
	}
	return &talk{w, client, c.Context(), c}, nil
}

// text, texts and number are the values of flags that the command has.
func (t *talk) text(name string) string {
	value, err := t.command.Flags().GetString(name)
	return must(value, err)
}

func (t *talk) texts(name string) []string {
	value, err := t.command.Flags().GetStringArray(name)
	return must(value, err)
}

func (t *talk) number(name string) int64 {
	value, err := t.command.Flags().GetInt64(name)
	return must(value, err)
}

func (t *talk) is(name string) bool {
	value, err := t.command.Flags().GetBool(name)
	return must(value, err)
}

// given reports whether a flag is on the command line.
func (t *talk) given(name string) bool { return t.command.Flags().Changed(name) }

// must is a flag's value. An error is a command that asks for a flag it has not.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// say writes a result.
func (t *talk) say(line []byte) error {
	if len(line) == 0 || line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	_, err := t.Stdout.Write(line)
	return err
}

// note writes a message.
func (t *talk) note(format string, args ...any) { _, _ = fmt.Fprintf(t.Stderr, format+"\n", args...) }

// lister lists the names that an argument may be, given those before it.
type lister func(t *talk, args []string) ([]string, error)

// completed completes a command's arguments by asking the instance. One that does not answer soon completes nothing.
func completed(w World, names []lister) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(names) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		t, err := begin(w, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		t.ctx = ctx
		found, err := names[len(args)](t, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// stopped reports whether an error is that the user has ended the command.
func stopped(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled))
}
