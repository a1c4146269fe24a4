package blob_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/core"
	"eventstore/core/coretest"
)

func topicsOf(t *testing.T) *blob.Topics {
	t.Helper()
	a, err := blob.ParseAccount("connection", "UseDevelopmentStorage=true")
	require.NoError(t, err)
	return blob.NewTopics(blob.Config{Client: new(blob.Client), Account: a, Container: "instance"})
}

func TestCompleteFillsIn(t *testing.T) {
	t.Parallel()
	got, err := topicsOf(t).Complete(core.TopicConfig{Name: "orders.v1", Adapter: "blob"})
	require.NoError(t, err)
	require.Equal(t, core.TopicConfig{Name: "orders.v1", Adapter: "blob",
		Options: map[string]string{"container": "instance", "prefix": "topics/orders.v1"}}, got)
	again, err := topicsOf(t).Complete(got)
	require.NoError(t, err)
	require.Equal(t, got, again)
	given := core.TopicConfig{Name: "a", Adapter: "blob", Connection: "%STORAGE%", Options: map[string]string{"container": "mine", "prefix": "Some/Where/"}}
	got, err = topicsOf(t).Complete(given)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"container": "mine", "prefix": "Some/Where"}, got.Options)
	require.Equal(t, "Some/Where/", given.Options["prefix"], "the caller's map stays as it was")
}

func TestCompleteRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		config        core.TopicConfig
		place, reason string
	}{
		{core.TopicConfig{Schema: "s"}, "schema", "has none"},
		{core.TopicConfig{Table: "t"}, "table", "has none"},
		{core.TopicConfig{Options: map[string]string{"containers": "x"}}, "options.containers", "not an option"},
		{core.TopicConfig{Connection: "nonsense"}, "connection", "neither"},
		{core.TopicConfig{Connection: "https://acct.blob.core.windows.net"}, "connection", "no Entra identity"},
		{core.TopicConfig{Connection: "https://127.0.0.1"}, "connection", "EVENTSTORE_ENTRA_HOSTS"},
		{option("container", "ab"), "options.container", "3 to 63"},
		{option("container", ""), "options.container", "3 to 63"},
		{option("container", "Upper"), "options.container", "lower-case"},
		{option("container", "a--b"), "options.container", "single hyphens"},
		{option("container", "-ab"), "options.container", "both ends"},
		{option("container", "$root"), "options.container", "lower-case"},
		{option("container", strings.Repeat("a", 64)), "options.container", "63"},
		{option("prefix", ""), "options.prefix", "names of letters"},
		{option("prefix", "/a"), "options.prefix", "single slashes"},
		{option("prefix", "a//b"), "options.prefix", "single slashes"},
		{option("prefix", "a/../b"), "options.prefix", "names of letters"},
		{option("prefix", "a/b."), "options.prefix", "ends with a dot"},
		{option("prefix", "a b"), "options.prefix", "names of letters"},
		{option("prefix", "a?b"), "options.prefix", "names of letters"},
		{option("prefix", "topics/orders/log"), "options.prefix", "part of a log"},
		{option("prefix", "x/index/y"), "options.prefix", "part of a log"},
		{option("prefix", "topics"), "options.prefix", "add a name"},
		{option("prefix", "topics/log/log"), "options.prefix", "part of a log"},
		{option("prefix", "documents/x"), "options.prefix", "an instance keeps its own"},
		{option("prefix", strings.Repeat("a", 513)), "options.prefix", "512"},
	} {
		tt.config.Name = "orders"
		_, err := topicsOf(t).Complete(tt.config)
		var invalid *core.InvalidError
		require.ErrorAs(t, err, &invalid, "%+v", tt.config)
		require.Equal(t, tt.place, invalid.Place, "%+v", tt.config)
		require.Contains(t, invalid.Reason, tt.reason, "%+v", tt.config)
	}
	_, err := blob.NewTopics(blob.Config{Client: new(blob.Client)}).Complete(core.TopicConfig{Name: "orders"})
	require.ErrorContains(t, err, "connection: is missing")
	require.ErrorContains(t, err, "AzureWebJobsStorage")
}

func option(name, value string) core.TopicConfig {
	return core.TopicConfig{Options: map[string]string{name: value}}
}

// Topics with names alike, in one container, do not see each other.
func TestTopicsBesideEachOther(t *testing.T) {
	t.Parallel()
	in := newContainer()
	config := blob.Config{Client: new(blob.Client), Account: account(t), Container: in}
	names := []string{"a", "a.b", "a-b", "a.log", "ab", "log", "index", "log.json", "documents"}
	for i, name := range names {
		coretest.Append(t, openLog(t, config, core.TopicConfig{Name: name}), coretest.Samples(i*10, i+1)...)
	}
	for i, name := range names {
		require.Len(t, coretest.Lines(t, openLog(t, config, core.TopicConfig{Name: name}), core.Query{}), i+1, name)
	}
	_, err := documents(t, in).Write(t.Context(), core.Write{Collection: "topics", Key: "a", Value: []byte("{}")})
	require.NoError(t, err)
	require.Len(t, coretest.Lines(t, openLog(t, config, core.TopicConfig{Name: "a"}), core.Query{}), 1)
}

func TestOpenKnowsItsLog(t *testing.T) {
	t.Parallel()
	topics := blob.NewTopics(blob.Config{Client: new(blob.Client), Account: account(t), Container: newContainer()})
	config, err := topics.Complete(core.TopicConfig{Name: "orders"})
	require.NoError(t, err)
	_, _, err = topics.Open(t.Context(), config, "0123456789abcdef0123456789abcdef")
	require.ErrorIs(t, err, core.ErrForeign, "there is none")
	_, id, err := topics.Open(t.Context(), config, "")
	require.NoError(t, err)
	for _, expected := range []string{id, ""} {
		_, got, err := topics.Open(t.Context(), config, expected)
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
	_, _, err = topics.Open(t.Context(), config, "0123456789abcdef0123456789abcdef")
	require.ErrorIs(t, err, core.ErrForeign)
}

func TestOpenWhereNothingAnswers(t *testing.T) {
	t.Parallel()
	topics := blob.NewTopics(blob.Config{Client: new(blob.Client)})
	config, err := topics.Complete(core.TopicConfig{Name: "orders", Connection: "BlobEndpoint=http://127.0.0.1:1;AccountName=acct;AccountKey=" + secret})
	require.NoError(t, err)
	for _, id := range []string{"", "0123456789abcdef0123456789abcdef"} {
		_, _, err = topics.Open(t.Context(), config, id)
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.NotContains(t, err.Error(), secret)
	}
}

func TestADocumentThatWasChangedIsCorrupt(t *testing.T) {
	t.Parallel()
	in := newContainer()
	d, files := documents(t, in), blob.OpenFiles(t, new(blob.Client), account(t), in)
	_, err := d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("value")})
	require.NoError(t, err)
	whole := files.Raw(t, "documents/c/k")
	for at := range whole {
		changed := []byte(whole)
		changed[at] ^= 1
		files.SetRaw(t, "documents/c/k", changed)
		_, err := d.Get(t.Context(), "c", "k")
		require.ErrorIs(t, err, core.ErrCorrupt, "byte %d", at)
		require.ErrorContains(t, err, fmt.Sprintf("blob documents/c/k of container %s", in))
	}
	files.SetRaw(t, "documents/c/k", []byte(whole[:len(whole)-1]))
	_, err = d.Get(t.Context(), "c", "k")
	require.ErrorIs(t, err, core.ErrCorrupt)
	files.SetRaw(t, "documents/c/other", []byte(whole))
	_, err = d.Get(t.Context(), "c", "other")
	require.ErrorIs(t, err, core.ErrCorrupt, "a document under another's name")
}
