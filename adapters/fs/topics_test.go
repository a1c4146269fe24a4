package fs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/fs"
	"eventstore/core"
	"eventstore/core/coretest"
)

func TestTopicsComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	held := &fs.Topics{Dir: dir, Roots: []string{dir}}
	free := &fs.Topics{Dir: dir}
	option := func(value string) map[string]string { return map[string]string{"createDirIfNotExist": value} }
	for _, tt := range []struct {
		name   string
		topics *fs.Topics
		config core.TopicConfig
		want   string // the connection
		create string
		place  string // of the error
	}{
		{"a topic without a connection has a directory of its own", held, core.TopicConfig{Name: "a.b"}, "topics/a%2Eb", "true", ""},
		{"a directory that is named is not made", held, core.TopicConfig{Connection: "real"}, "real", "false", ""},
		{"two spellings of a directory are one", held, core.TopicConfig{Connection: dir + "/x/../real/"}, "real", "false", ""},
		{"it is made when that is asked", held, core.TopicConfig{Connection: "new/deep", Options: option("true")}, "new/deep", "true", ""},
		{"a setting stays as it is", held, core.TopicConfig{Connection: "%DIR%"}, "%DIR%", "false", ""},
		{"any directory may be where there are no roots", free, core.TopicConfig{Connection: outside}, outside, "false", ""},
		{"a directory outside the roots is refused", held, core.TopicConfig{Connection: outside}, "", "", "connection"},
		{"so is one above", held, core.TopicConfig{Connection: "../x"}, "", "", "connection"},
		{"and the one with a root's name as its beginning", held, core.TopicConfig{Connection: dir + "x"}, "", "", "connection"},
		{"and one that a link leads to", held, core.TopicConfig{Connection: "link/x"}, "", "", "connection"},
		{"a NUL is refused", held, core.TopicConfig{Connection: "a\x00b"}, "", "", "connection"},
		{"a schema is refused", held, core.TopicConfig{Schema: "x"}, "", "", "schema"},
		{"a table is refused", held, core.TopicConfig{Table: "x"}, "", "", "table"},
		{"another option is refused", held, core.TopicConfig{Options: map[string]string{"createDir": "true"}}, "", "", "options.createDir"},
		{"so is another value", held, core.TopicConfig{Options: option("yes")}, "", "", "options.createDirIfNotExist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.topics.Complete(tt.config)
			if tt.place != "" {
				requirePlace(t, err, tt.place)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Connection)
			require.Equal(t, option(tt.create), got.Options)
			again, err := tt.topics.Complete(got)
			require.NoError(t, err)
			require.True(t, got.Equal(again), "completing again changes nothing")
		})
	}
}

func requirePlace(t *testing.T, err error, place string) {
	t.Helper()
	var invalid *core.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, place, invalid.Place)
	require.NotEmpty(t, invalid.Reason)
}

func openTopic(t *testing.T, topics *fs.Topics, config core.TopicConfig, id string) (core.Log, string, error) {
	t.Helper()
	completed, err := topics.Complete(config)
	require.NoError(t, err)
	log, got, err := topics.Open(t.Context(), completed, id)
	if err == nil {
		t.Cleanup(func() { log.(interface{ Close() error }).Close() })
	}
	return log, got, err
}

func TestTopicsOpen(t *testing.T) {
	t.Parallel()
	topics := &fs.Topics{Dir: t.TempDir()}
	log, id, err := openTopic(t, topics, core.TopicConfig{Name: "orders"}, "")
	require.NoError(t, err)
	coretest.Append(t, log, coretest.Samples(0, 3)...)
	again, same, err := openTopic(t, topics, core.TopicConfig{Name: "orders"}, "")
	require.NoError(t, err)
	require.Equal(t, id, same)
	require.Len(t, coretest.Lines(t, again, core.Query{}), 3)
	_, other, err := openTopic(t, topics, core.TopicConfig{Name: "payments"}, "")
	require.NoError(t, err)
	require.NotEqual(t, id, other)

	_, _, err = openTopic(t, topics, core.TopicConfig{Name: "orders"}, other)
	require.ErrorIs(t, err, core.ErrForeign)
	_, _, err = openTopic(t, topics, core.TopicConfig{Name: "gone"}, id)
	require.ErrorIs(t, err, core.ErrForeign)
	require.NoFileExists(t, filepath.Join(topics.Dir, "topics", "gone"))
	require.NoError(t, os.Remove(filepath.Join(topics.Dir, "topics", "orders", "log.json")))
	_, _, err = openTopic(t, topics, core.TopicConfig{Name: "orders"}, id)
	require.ErrorIs(t, err, core.ErrForeign)
}

func TestTopicsOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	topics := &fs.Topics{Dir: dir}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	create := map[string]string{"createDirIfNotExist": "true"}
	for name, config := range map[string]core.TopicConfig{
		"a file":              {Connection: "file"},
		"a file, to be made":  {Connection: "file", Options: create},
		"below a file":        {Connection: "file/x/y", Options: create},
		"a missing directory": {Connection: "missing"},
	} {
		_, _, err := openTopic(t, topics, config, "")
		requirePlace(t, err, "connection")
		require.Contains(t, err.Error(), config.Connection, name)
		require.False(t, strings.Contains(err.Error(), dir), "the server's paths are not told: %v", err)
	}
}
