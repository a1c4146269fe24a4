package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"eventstore/core"
	"eventstore/core/topics"
	"eventstore/core/transfer"
	"eventstore/handler/cli"
	"eventstore/handler/logging"
)

const configForm = "CONFIG is a registered topic's name, a configuration as POST /topics takes it " +
	`({"name":"orders","adapter":"postgres","connection":"%PG%"}), or @FILE that holds one`

// storageTool is what the commands share that work on the storage itself, without a server.
type storageTool struct {
	process
	app *application
}

// onStorage makes such a command: run is called with the instance's store open.
func onStorage(p process, use, short string, args cobra.PositionalArgs, run func(ctx context.Context, t *storageTool, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Long: short + ".\n\n" + configForm + ".", Args: args, RunE: func(c *cobra.Command, args []string) error {
		s, err := readSettings(p.getenv)
		if err != nil {
			return err
		}
		app, err := newApplication(s, p.getenv, logging.New(p.stderr, s.log), context.Background())
		if err != nil {
			return err
		}
		return errors.Join(run(c.Context(), &storageTool{p, app}, args), app.close())
	}}
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

// say tells a result on standard output, note something else on standard error.
func (t *storageTool) say(format string, args ...any) error {
	_, err := fmt.Fprintf(t.stdout, format+"\n", args...)
	return err
}

func (t *storageTool) note(format string, args ...any) error {
	_, err := fmt.Fprintf(t.stderr, format+"\n", args...)
	return err
}

// progress draws on a terminal how far a long work on a log has come, which is done at the head that it has now.
func (t *storageTool) progress(ctx context.Context, what string, log core.Log) (told transfer.Progress, end func()) {
	total := int64(0)
	if head, err := log.Head(ctx); err == nil { // else the work itself tells
		total = int64(head.Position)
	}
	progress := cli.NewProgress(t.stderr, what, total)
	return func(head core.Head) { progress.Done(int64(head.Position), fmt.Sprintf("position %d", head.Position)) }, progress.End
}
