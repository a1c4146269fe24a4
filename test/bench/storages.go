package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"eventstore/test/servers"
)

// realServers are a PostgreSQL and an Azurite of this run alone.
type realServers struct {
	postgres string // its URL
	blob     string // its connection string
	end      func() error
}

func startServers() (*realServers, error) {
	environment, end, err := servers.StartAll()
	if err != nil {
		return nil, err
	}
	s := &realServers{end: end}
	for _, entry := range environment {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case servers.PostgresVariable:
			s.postgres = value
		case servers.BlobVariable:
			s.blob = value
		}
	}
	return s, nil
}

// withServers makes a row of one that needs the servers.
func withServers(measure func(o options, dir string, s *realServers) error) func(options, string) error {
	return func(o options, dir string) error {
		s, err := startServers()
		if err != nil {
			return err
		}
		return errors.Join(measure(o, dir, s), s.end())
	}
}

// startAppOnBlob starts the handler with all that it keeps in one container.
func startAppOnBlob(o options, connection, container string) (*process, error) {
	return startApp(o, "blob:"+container, "AzureWebJobsStorage="+connection)
}

// postgresProgram finds one of PostgreSQL's client programs, of the highest version that Debian has.
func postgresProgram(name string) (string, error) {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1], nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errors.New(name + " was not found: install the Debian packages postgresql and postgresql-contrib")
	}
	return path, nil
}

// installed is the directory of an npm package of the tests.
func installed(name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join("test/node_modules", name))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", errors.New(name + " is not installed: run `npm ci` in test/")
	}
	return dir, nil
}
