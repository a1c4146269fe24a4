package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"eventstore/core"
	"eventstore/core/topics"
	"eventstore/core/transfer"
	"eventstore/handler/logging"
)

// The commands that work on the storage itself, without a server: copying, moving, exporting,
// restoring and checking topics.

// storageCommands are those of the command table.
func storageCommands() []command {
	return []command{
		{"copy", "copy a topic's events unchanged: copy --from CONFIG --to CONFIG", copyTopic},
		{"move", "move a topic to another storage in service: move TOPIC --to CONFIG", moveTopic},
		{"export", "write a topic's events as NDJSON: export CONFIG [--from-position N] >FILE", exportTopic},
		{"restore", "store exported events or segments unchanged: restore --to CONFIG FILE… (- is standard input)", restoreTopic},
		{"fsck", "check every event of topics against the chain: fsck [CONFIG…] (none: all registered)", checkTopics},
	}
}

const configForm = "CONFIG is a registered topic's name, a configuration as POST /topics takes it " +
	`({"name":"orders","adapter":"postgres","connection":"%PG%"}), or @FILE that holds one`

// storageTool is what these commands share.
type storageTool struct {
	process
	app   *application
	flags *flag.FlagSet
}

// withStorage parses a command's flags and opens the instance's store for it.
func withStorage(p process, name string, args []string, define func(*flag.FlagSet), run func(t *storageTool, args []string) error) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	define(flags)
	flags.Usage = func() {
		fmt.Fprintf(p.stderr, "usage of %s:\n", name)
		flags.PrintDefaults()
		fmt.Fprintf(p.stderr, "%s.\n", configForm)
	}
	rest, err := parseAnywhere(flags, args)
	if err != nil {
		return errUsage
	}
	s, err := readSettings(p.getenv)
	if err != nil {
		return err
	}
	app, err := newApplication(s, p.getenv, logging.New(p.stderr, s.log), context.Background())
	if err != nil {
		return err
	}
	err = run(&storageTool{p, app, flags}, rest)
	return errors.Join(err, app.close())
}

// parseAnywhere parses flags before, between and behind the arguments.
func parseAnywhere(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}

// wrong tells what is wrong with the command line.
func (t *storageTool) wrong(format string, args ...any) error {
	fmt.Fprintf(t.stderr, "eventstore: "+format+"\n\n", args...)
	t.flags.Usage()
	return errUsage
}

// open opens the log that a CONFIG names. The caller closes it.
func (t *storageTool) open(ctx context.Context, text string) (topic *topics.Topic, release func() error, err error) {
	config, registered, err := readConfig(text)
	if err != nil {
		return nil, nil, err
	}
	if registered {
		topic, err = t.app.registry.Open(ctx, config.Name)
		return topic, func() error { return nil }, err // the registry closes it
	}
	topic, err = t.app.registry.Attach(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	return topic, topic.Release, nil
}

// readConfig reads a CONFIG; registered says that it is a name alone.
func readConfig(text string) (config core.TopicConfig, registered bool, err error) {
	encoded := []byte(text)
	if file, ok := strings.CutPrefix(text, "@"); ok {
		if encoded, err = os.ReadFile(file); err != nil {
			return config, false, err
		}
	} else if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		config.Name = text
		return config, true, topics.CheckName(text)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return config, false, fmt.Errorf("the configuration is not right: %w; %s", err, configForm)
	}
	return config, false, nil
}

func copyTopic(ctx context.Context, p process, args []string) error {
	var from, to string
	return withStorage(p, "copy", args, func(flags *flag.FlagSet) {
		flags.StringVar(&from, "from", "", "the `CONFIG` to copy from")
		flags.StringVar(&to, "to", "", "the `CONFIG` to copy to; what it has of the source already is passed over")
	}, func(t *storageTool, args []string) error {
		if from == "" || to == "" || len(args) > 0 {
			return t.wrong("copy takes --from and --to, and nothing else")
		}
		return t.copy(ctx, from, to)
	})
}

func (t *storageTool) copy(ctx context.Context, from, to string) error {
	source, releaseSource, err := t.open(ctx, from)
	if err != nil {
		return err
	}
	target, releaseTarget, err := t.open(ctx, to)
	if err != nil {
		return errors.Join(err, releaseSource())
	}
	defer func() { _ = errors.Join(releaseSource(), releaseTarget()) }()
	if source.Identity == target.Identity {
		return fmt.Errorf("--from and --to are the same storage")
	}
	if _, err := transfer.Copy(ctx, source.Log, target.Log, t.progress("copied")); err != nil {
		return err
	}
	head, err := transfer.Check(ctx, target.Log, t.progress("checked"))
	if err != nil {
		return fmt.Errorf("checking the copy: %w", err)
	}
	return t.say("copied up to position %d, hash %s", head.Position, head.Hash)
}

func moveTopic(ctx context.Context, p process, args []string) error {
	var to string
	return withStorage(p, "move", args, func(flags *flag.FlagSet) {
		flags.StringVar(&to, "to", "", "the `CONFIG` of the new storage, without a name")
	}, func(t *storageTool, args []string) error {
		if to == "" || len(args) != 1 {
			return t.wrong("move takes a topic and --to")
		}
		config, isName, err := readConfig(to)
		if err != nil {
			return err
		}
		if isName || config.Name != "" && config.Name != args[0] {
			return t.wrong("--to says where the topic goes; its name stays %q", args[0])
		}
		moved, err := transfer.Move(ctx, t.app.registry, args[0], config, t.progress("copied"))
		if err != nil {
			return err
		}
		return t.say("topic %s is on %s now, head %d; publishing waited %s", args[0], moved.Config.Adapter, moved.Head.Position, moved.Closed.Round(time.Millisecond))
	})
}

func exportTopic(ctx context.Context, p process, args []string) error {
	var from int64
	return withStorage(p, "export", args, func(flags *flag.FlagSet) {
		flags.Int64Var(&from, "from-position", 1, "the first `position` to write")
	}, func(t *storageTool, args []string) error {
		if len(args) != 1 || from < 1 {
			return t.wrong("export takes one CONFIG, and --from-position from 1 on")
		}
		topic, release, err := t.open(ctx, args[0])
		if err != nil {
			return err
		}
		last, err := transfer.Export(ctx, topic.Log, core.Position(from), t.stdout)
		if err = errors.Join(err, release()); err != nil {
			return err
		}
		return t.note("exported up to position %d", last)
	})
}

func restoreTopic(ctx context.Context, p process, args []string) error {
	var to string
	return withStorage(p, "restore", args, func(flags *flag.FlagSet) {
		flags.StringVar(&to, "to", "", "the `CONFIG` to restore to; what it has already is passed over")
	}, func(t *storageTool, args []string) error {
		if to == "" || len(args) == 0 {
			return t.wrong("restore takes --to and the files, in order")
		}
		topic, release, err := t.open(ctx, to)
		if err != nil {
			return err
		}
		err = t.restore(ctx, topic, args)
		return errors.Join(err, release())
	})
}

func (t *storageTool) restore(ctx context.Context, topic *topics.Topic, files []string) error {
	for _, name := range files {
		if err := t.restoreFile(ctx, topic, name); err != nil {
			return fmt.Errorf("restoring from %s: %w", name, err)
		}
	}
	head, err := transfer.Check(ctx, topic.Log, t.progress("checked"))
	if err != nil {
		return fmt.Errorf("checking what was restored: %w", err)
	}
	return t.say("restored up to position %d, hash %s", head.Position, head.Hash)
}

func (t *storageTool) restoreFile(ctx context.Context, topic *topics.Topic, name string) error {
	var lines io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		lines = file
	}
	_, err := transfer.Extend(ctx, topic.Log, transfer.Lines(lines), t.progress("restored"))
	return err
}

func checkTopics(ctx context.Context, p process, args []string) error {
	return withStorage(p, "fsck", args, func(*flag.FlagSet) {}, func(t *storageTool, args []string) error {
		if len(args) == 0 {
			configs, _, err := t.app.registry.List(ctx, "", 0)
			if err != nil {
				return err
			}
			for _, config := range configs {
				args = append(args, config.Name)
			}
		}
		broken := 0
		for _, text := range args {
			if err := t.check(ctx, text); err != nil {
				broken++
				_ = t.say("%s: %v", text, err)
			}
		}
		if broken > 0 {
			return fmt.Errorf("%d of %d topics are not right", broken, len(args))
		}
		return nil
	})
}

func (t *storageTool) check(ctx context.Context, text string) error {
	topic, release, err := t.open(ctx, text)
	if err != nil {
		return err
	}
	head, err := transfer.Check(ctx, topic.Log, t.progress("checked"))
	if err = errors.Join(err, release()); err != nil {
		return err
	}
	return t.say("%s: ok, %d events, hash %s", text, head.Position, head.Hash)
}

// say tells a result on standard output, note something else on standard error.
func (t *storageTool) say(format string, args ...any) error {
	_, err := fmt.Fprintf(t.stdout, format+"\n", args...)
	return err
}

func (t *storageTool) note(format string, args ...any) error {
	_, err := fmt.Fprintf(t.stderr, format+"\n", args...)
	return err
}

// progress tells on a terminal, at most every half second, how far a long work has come.
func (t *storageTool) progress(done string) transfer.Progress {
	file, ok := t.stderr.(*os.File)
	if !ok || !isTerminal(file) {
		return nil
	}
	last := time.Now()
	return func(head core.Head) {
		if time.Since(last) > time.Second/2 {
			last = time.Now()
			fmt.Fprintf(file, "\r%s up to position %d ", done, head.Position)
		}
	}
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
