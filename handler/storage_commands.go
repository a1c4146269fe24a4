package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"eventstore/core"
	"eventstore/core/topics"
	"eventstore/core/transfer"
	"eventstore/handler/cli"
)

// storageCommands copy, move, export, restore and check topics, and rebuild projections.
func storageCommands(p process) []*cobra.Command {
	return []*cobra.Command{copyCommand(p), moveCommand(p), exportCommand(p), restoreCommand(p), checkCommand(p), replayCommand(p)}
}

func copyCommand(p process) *cobra.Command {
	var from, to string
	c := onStorage(p, "copy --from CONFIG --to CONFIG", "copy a topic's events unchanged", cobra.NoArgs, func(ctx context.Context, t *storageTool, _ []string) error {
		if from == "" || to == "" {
			return cli.Usage("copy needs --from and --to")
		}
		return t.copy(ctx, from, to)
	})
	c.Flags().StringVar(&from, "from", "", "the `CONFIG` to copy from")
	c.Flags().StringVar(&to, "to", "", "the `CONFIG` to copy to; what it has of the source already is passed over")
	return c
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
	told, end := t.progress(ctx, "copying", source.Log)
	_, err = transfer.Copy(ctx, source.Log, target.Log, told)
	if end(); err != nil {
		return err
	}
	head, err := t.checked(ctx, target.Log)
	if err != nil {
		return fmt.Errorf("checking the copy: %w", err)
	}
	return t.say("copied up to position %d, hash %s", head.Position, head.Hash)
}

// checked checks a log, and tells how far it is.
func (t *storageTool) checked(ctx context.Context, log core.Log) (core.Head, error) {
	told, end := t.progress(ctx, "checking", log)
	defer end()
	return transfer.Check(ctx, log, told)
}

func moveCommand(p process) *cobra.Command {
	var to string
	c := onStorage(p, "move TOPIC --to CONFIG", "move a topic to another storage in service", cobra.ExactArgs(1), func(ctx context.Context, t *storageTool, args []string) error {
		if to == "" {
			return cli.Usage("move needs --to")
		}
		return t.move(ctx, args[0], to)
	})
	c.Flags().StringVar(&to, "to", "", "the `CONFIG` of the new storage, without a name")
	return c
}

func (t *storageTool) move(ctx context.Context, name, to string) error {
	config, isName, err := readConfig(to)
	if err != nil {
		return err
	}
	if isName || config.Name != "" && config.Name != name {
		return cli.Usage("--to says where the topic goes; its name stays %q", name)
	}
	progress := cli.NewProgress(t.stderr, "copying", 0)
	moved, err := transfer.Move(ctx, t.app.registry, name, config, func(head core.Head) { progress.Done(int64(head.Position), "") })
	if progress.End(); err != nil {
		return err
	}
	return t.say("topic %s is on %s now, head %d; publishing waited %s", name, moved.Config.Adapter, moved.Head.Position, moved.Closed.Round(time.Millisecond))
}

func exportCommand(p process) *cobra.Command {
	var from int64
	c := onStorage(p, "export CONFIG [--from-position N] >FILE", "write a topic's events as NDJSON", cobra.ExactArgs(1), func(ctx context.Context, t *storageTool, args []string) error {
		if from < 1 {
			return cli.Usage("--from-position is from 1 on")
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
	c.Flags().Int64Var(&from, "from-position", 1, "the first `position` to write")
	return c
}

func restoreCommand(p process) *cobra.Command {
	var to string
	c := onStorage(p, "restore --to CONFIG FILE…", "store exported events or segments unchanged (- is standard input)", cobra.MinimumNArgs(1), func(ctx context.Context, t *storageTool, args []string) error {
		if to == "" {
			return cli.Usage("restore needs --to")
		}
		topic, release, err := t.open(ctx, to)
		if err != nil {
			return err
		}
		return errors.Join(t.restore(ctx, topic, args), release())
	})
	c.Flags().StringVar(&to, "to", "", "the `CONFIG` to restore to; what it has already is passed over")
	return c
}

func (t *storageTool) restore(ctx context.Context, topic *topics.Topic, files []string) error {
	for _, name := range files {
		if err := t.restoreFile(ctx, topic, name); err != nil {
			return fmt.Errorf("restoring from %s: %w", name, err)
		}
	}
	head, err := t.checked(ctx, topic.Log)
	if err != nil {
		return fmt.Errorf("checking what was restored: %w", err)
	}
	return t.say("restored up to position %d, hash %s", head.Position, head.Hash)
}

func (t *storageTool) restoreFile(ctx context.Context, topic *topics.Topic, name string) error {
	lines, size, err := cli.OpenInput(t.stdin, name)
	if err != nil {
		return err
	}
	defer lines.Close()
	read := &counted{Reader: lines}
	progress := cli.NewProgress(t.stderr, "restoring", size)
	defer progress.End()
	_, err = transfer.Extend(ctx, topic.Log, transfer.Lines(read), func(head core.Head) { progress.Done(read.n, fmt.Sprintf("position %d", head.Position)) })
	return err
}

// counted counts what was read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

func checkCommand(p process) *cobra.Command {
	return onStorage(p, "fsck [CONFIG…]", "check every event of topics against the chain (none: all that are registered)", cobra.ArbitraryArgs, func(ctx context.Context, t *storageTool, args []string) error {
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
	head, err := t.checked(ctx, topic.Log)
	if err = errors.Join(err, release()); err != nil {
		return err
	}
	return t.say("%s: ok, %d events, hash %s", text, head.Position, head.Hash)
}
