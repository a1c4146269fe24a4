package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// startPostgres starts the newest PostgreSQL installed, with its defaults (fsync on), as
// the user postgres when we are root, as it refuses to run as root.
func startPostgres() (*Server, error) { return startPostgresAs("postgres") }

// startPostgresAs starts PostgreSQL as a kind of keeper.sh's, with what that takes besides.
func startPostgresAs(kind string, more ...string) (*Server, error) {
	programs, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	owner, err := postgresOwner()
	if err != nil {
		return nil, err
	}
	server, err := start(kind, programs, owner, more...)
	if err != nil {
		return nil, err
	}
	server.Address = "postgres://postgres:secret@" + server.Host + "/postgres?sslmode=disable"
	return server, nil
}

// postgresPrograms is the directory that holds initdb and pg_ctl: Debian's of the highest
// version, else where they are on the PATH.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return majorVersion(a) - majorVersion(b) })), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("PostgreSQL's initdb was not found: install the Debian package postgresql")
}

func majorVersion(initdb string) int {
	version, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return version
}

func postgresOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: install the Debian package postgresql: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// azuriteKey is the well-known key of the account that every Azurite has.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

// startAzurite starts the blob service of the Azurite that test/package-lock.json pins.
func startAzurite(options ...string) (*Server, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(root, "test/node_modules/azurite/dist/src/blob/main.js")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("Azurite is not installed: run `npm ci` in %s", filepath.Join(root, "test"))
	}
	server, err := start("azurite", program, nil, options...)
	if err != nil {
		return nil, err
	}
	server.Address = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=" + azuriteKey +
		";BlobEndpoint=http://" + server.Host + "/devstoreaccount1;"
	return server, nil
}

// moduleRoot is the directory of go.mod: this one or the nearest above it, as a package's
// tests run in its own directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("go.mod was not found here or above: run the tests in the repository")
		}
		dir = filepath.Dir(dir)
	}
}
