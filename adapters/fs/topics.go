package fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// Topics opens the logs of topics in directories.
type Topics struct {
	// Dir is the store's directory. A topic's directory is relative to it, and one without a
	// connection has a directory of its own in it.
	Dir string
	// Roots are the directories under which a topic's directory may lie; nil is any.
	Roots []string
	// Segment is how the logs are kept; its ID is not looked at.
	Segment segment.Options
	// Log is told what is repaired; nil is slog's default.
	Log *slog.Logger
}

// openSize is how much of the open segment an opening asks for at first: clearing a larger buffer
// would take longer than another read.
const openSize = 128 << 10

// readSize is how much a long read asks for at once: what a processor's cache holds while it is read,
// checked and sent. Files are near, so that more reads cost little.
const readSize = 256 << 10

const (
	topicsDirectory = "topics"
	createOption    = "createDirIfNotExist"
)

// Complete fills in the directory of a topic that names none, writes one within Dir relative to it,
// so that two spellings are one, and checks it against Roots.
func (t *Topics) Complete(config core.TopicConfig) (core.TopicConfig, error) {
	if config.Schema != "" || config.Table != "" {
		place := "schema"
		if config.Schema == "" {
			place = "table"
		}
		return config, core.Invalid(place, "is not for a topic in files; leave it out")
	}
	create := "false"
	if config.Connection == "" {
		config.Connection, create = topicsDirectory+"/"+core.EscapeKey(config.Name), "true"
	}
	for name, value := range config.Options {
		if name != createOption {
			return config, core.Invalid("options."+name, "a topic in files has no such option; it has %s", createOption)
		}
		if value != "true" && value != "false" {
			return config, core.Invalid("options."+name, `%q is neither "true" nor "false"`, value)
		}
		create = value
	}
	config.Options = map[string]string{createOption: create}
	if isSetting(config.Connection) {
		return config, nil
	}
	if strings.ContainsRune(config.Connection, 0) {
		return config, core.Invalid("connection", "%q is not a directory's name", config.Connection)
	}
	dir, err := t.directory(config.Connection)
	if err != nil {
		return config, err
	}
	config.Connection = t.relative(dir)
	return config, nil
}

// isSetting reports whether a connection is read from the app setting that it names.
func isSetting(connection string) bool {
	return len(connection) > 2 && strings.HasPrefix(connection, "%") && strings.HasSuffix(connection, "%")
}

// directory is the absolute path of a connection, which must lie under one of the roots when the
// symbolic links in both are followed.
func (t *Topics) directory(connection string) (string, error) {
	dir := filepath.Clean(filepath.FromSlash(connection))
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(absolute(t.Dir), dir)
	}
	if t.Roots == nil {
		return dir, nil
	}
	real := followed(dir)
	if !slices.ContainsFunc(t.Roots, func(root string) bool { return within(followed(absolute(root)), real) }) {
		return "", core.Invalid("connection", "%q is not a directory in which this instance may keep topics (EVENTSTORE_FS_ROOTS)", connection)
	}
	return dir, nil
}

// absolute is a path from the file system's root on; as it is where the process has no directory.
func absolute(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// followed is a path with the symbolic links followed in as much of it as is there.
func followed(path string) string {
	rest := ""
	for at := path; ; {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		parent := filepath.Dir(at)
		if parent == at {
			return path
		}
		at, rest = parent, filepath.Join(filepath.Base(at), rest)
	}
}

// within reports whether path is root or lies in it.
func within(root, path string) bool {
	relative, err := filepath.Rel(root, path)
	return err == nil && filepath.IsLocal(relative)
}

// relative is how a directory is registered.
func (t *Topics) relative(dir string) string {
	if relative, err := filepath.Rel(absolute(t.Dir), dir); err == nil && filepath.IsLocal(relative) {
		return filepath.ToSlash(relative)
	}
	return dir
}

// Open opens the log in the directory that config names. Without an identity the log is created
// where it is absent, and the directory too if the configuration says so.
func (t *Topics) Open(ctx context.Context, config core.TopicConfig, id string) (core.Log, string, error) {
	dir, err := t.directory(config.Connection)
	if err != nil {
		return nil, "", err
	}
	if err := t.prepare(dir, config, id); err != nil {
		return nil, "", err
	}
	files, err := OpenFiles(dir)
	if err != nil {
		return nil, "", fmt.Errorf("connection: opening the directory: %w", unavailable(err))
	}
	options := t.Segment
	options.ID = id
	if options.OpenSize == 0 {
		options.OpenSize = openSize
	}
	if options.ReadSize == 0 {
		options.ReadSize = readSize
	}
	if options.Log == nil && t.Log != nil {
		options.Log = t.Log.With("topic", config.Name)
	}
	log, err := segment.Open(ctx, files, options)
	if err != nil {
		_ = files.Close()
		return nil, "", err
	}
	return log, log.ID(), nil
}

// prepare checks the directory, or makes it.
func (t *Topics) prepare(dir string, config core.TopicConfig, id string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir(), errors.Is(err, errNotDirectory):
		return core.Invalid("connection", "%q is a file, not a directory", config.Connection)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("connection: looking for the directory: %w", unavailable(err))
	case id != "":
		return fmt.Errorf("%w: the directory where log %s was is not there", core.ErrForeign, id)
	case config.Options[createOption] != "true":
		return core.Invalid("connection", "the directory %q is not there; make it, or set options.%s to \"true\"", config.Connection, createOption)
	}
	if err := makeDir(dir); err != nil {
		if errors.Is(err, errNotDirectory) {
			return core.Invalid("connection", "%q lies in a file, not in a directory", config.Connection)
		}
		return fmt.Errorf("connection: making the directory: %w", unavailable(err))
	}
	return nil
}
