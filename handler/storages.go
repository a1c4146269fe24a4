package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"eventstore/adapters/blob"
	"eventstore/adapters/fs"
	"eventstore/adapters/memory"
	"eventstore/adapters/postgres"
	"eventstore/core"
	"eventstore/core/topics"
)

// storages are the kinds of storage that this instance has. Nothing of them is opened or connected to before it
// is used.
type storages struct {
	store    store
	adapters map[string]topics.Adapter
	client   *blob.Client
	account  blob.Account
	postgres *postgres.Topics
}

// newStorages puts them together. An error names the setting that is wrong.
func newStorages(s settings, getenv func(string) string, log *slog.Logger) (*storages, error) {
	identity := &identity{make: func() (azcore.TokenCredential, error) { return blob.NewCredential(getenv) }}
	a := &storages{store: s.store, client: &blob.Client{Credential: identity, EntraHosts: s.entraHosts}}
	var err error
	if s.store.adapter == "blob" || blob.HasAccount(getenv) {
		if a.account, err = blob.AccountFromSettings(getenv); err != nil {
			return nil, err
		}
	}
	config := postgres.Config{Credential: identity, EntraHosts: s.entraHosts, Log: log}
	if s.store.adapter == "postgres" {
		config.Connection = s.store.place
	}
	a.postgres = postgres.NewTopics(config)
	a.adapters = map[string]topics.Adapter{
		"fs":       &fs.Topics{Dir: a.directory(), Roots: s.fsRoots, Log: log},
		"blob":     blob.NewTopics(blob.Config{Client: a.client, Account: a.account, Container: a.container(), Log: log}),
		"postgres": a.postgres,
	}
	if !s.underHost { // where memory would be gone with the instance
		a.adapters["memory"] = new(memory.Topics)
	}
	return a, nil
}

// directory is the store's; fs topics without a connection have theirs in it.
func (a *storages) directory() string {
	if a.store.adapter == "fs" {
		return a.store.place
	}
	return "./data"
}

// container is the store's; "" is blob's default.
func (a *storages) container() string {
	if a.store.adapter == "blob" {
		return a.store.place
	}
	return ""
}

// documents opens the instance's documents.
func (a *storages) documents(context.Context) (core.Documents, error) {
	switch a.store.adapter {
	case "memory":
		return new(memory.Documents), nil
	case "fs":
		return fs.OpenDocuments(filepath.Join(a.store.place, "documents"))
	case "blob":
		return blob.NewDocuments(a.client, a.account, a.store.place)
	case "postgres":
		return a.postgres.Documents("", "")
	}
	return nil, errors.New("there is no store " + a.store.adapter) // readSettings refuses any other
}

func (a *storages) close() { a.postgres.Close() }

// identity is the process's Entra identity, made when a token is first needed: most instances have
// storage that needs none.
type identity struct {
	make func() (azcore.TokenCredential, error)

	mu         sync.Mutex
	credential azcore.TokenCredential // guarded by mu
}

// GetToken gets a token from the one credential of this process, which caches them.
func (i *identity) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	credential, err := i.made()
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return credential.GetToken(ctx, options)
}

func (i *identity) made() (azcore.TokenCredential, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.credential != nil {
		return i.credential, nil
	}
	credential, err := i.make()
	if err == nil {
		i.credential = credential
	}
	return credential, err
}
