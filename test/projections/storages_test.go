package projections_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"eventstore/adapters/blob"
	"eventstore/adapters/fs"
	"eventstore/adapters/memory"
	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/topics"
	"eventstore/test/servers"
)

// A place is where a topic or documents are kept. It goes to another process as JSON, and opens there as well; but for memory, which
// is this process's.
type place struct {
	Kind   string // memory, fs, blob or postgres
	Within string // a directory, container or schema of its own
	Server string // its connection string

	topics    *memory.Topics
	documents *memory.Documents
}

var kinds = []string{"memory", "fs", "blob", "postgres"}

func newPlace(t *testing.T, kind string) place {
	p := place{Kind: kind, Within: "test-" + strings.ToLower(rand.Text()[:16])}
	switch kind {
	case "memory":
		p.topics, p.documents = new(memory.Topics), new(memory.Documents)
	case "fs":
		p.Within = t.TempDir()
	case "blob":
		p.Server = servers.Blob(t)
	case "postgres":
		p.Server = servers.Postgres(t)
	}
	return p
}

// shared tells whether other processes find what is kept there.
func (p place) shared() bool { return p.Kind != "memory" }

// openTopics opens the adapter of topics there, and tells how one is configured.
func (p place) openTopics() (adapter topics.Adapter, config core.TopicConfig, end func(), err error) {
	none := func() {}
	switch p.Kind {
	case "memory":
		return p.topics, core.TopicConfig{}, none, nil
	case "fs":
		return &fs.Topics{Dir: p.Within}, core.TopicConfig{}, none, nil
	case "blob":
		account, err := blob.ParseAccount("connection", p.Server)
		config := core.TopicConfig{Options: map[string]string{"container": p.Within}}
		return blob.NewTopics(blob.Config{Client: new(blob.Client), Account: account}), config, none, err
	case "postgres":
		opened := postgres.NewTopics(postgres.Config{})
		return opened, core.TopicConfig{Connection: p.Server, Schema: p.Within}, opened.Close, nil
	}
	return nil, core.TopicConfig{}, none, fmt.Errorf("there is no storage %q", p.Kind)
}

// openDocuments opens the documents there.
func (p place) openDocuments() (documents core.Documents, end func(), err error) {
	none := func() {}
	switch p.Kind {
	case "memory":
		return p.documents, none, nil
	case "fs":
		documents, err = fs.OpenDocuments(p.Within)
		return documents, none, err
	case "blob":
		account, err := blob.ParseAccount("connection", p.Server)
		if err != nil {
			return nil, none, err
		}
		documents, err = blob.NewDocuments(new(blob.Client), account, p.Within)
		return documents, none, err
	case "postgres":
		opened := postgres.NewTopics(postgres.Config{Connection: p.Server})
		documents, err = opened.Documents(p.Server, p.Within)
		return documents, opened.Close, err
	}
	return nil, none, fmt.Errorf("there is no storage %q", p.Kind)
}
