package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// messageDB is message-db in a database of its own on the server that our topics are on.
type messageDB struct {
	pgbench     string
	script      string // of what pgbench sends
	environment []string
}

// writeMessage is what our publish has, as message-db takes it: to a stream for each client, all of one category, which
// is what has one order there, as a topic has here. A colon before a letter or digit would name a variable of pgbench.
const writeMessage = `select message_store.write_message(gen_random_uuid()::varchar, 'order-' || :client_id, 'OrderPlaced', ` +
	`'{"total": 19.5,"currency":"EUR","items":[{"sku":"A-1001","quantity": 2,"price": 7.25},{"sku":"B-2002","quantity": 1,"price": 5.0}],"note":"leave it at the door, please"}'::jsonb, ` +
	`'{"correlationid":"c-0193a1f2","tags":["customer c9","region north"]}'::jsonb);` + "\n"

// installMessageDB has message-db's own script make its database.
func installMessageDB(server, dir string) (*messageDB, error) {
	pgbench, err := postgresProgram("pgbench")
	if err != nil {
		return nil, err
	}
	source, err := installed("@eventide/message-db")
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	password, _ := address.User.Password()
	db := &messageDB{pgbench: pgbench, script: filepath.Join(dir, "write.sql"), environment: append(os.Environ(),
		"PATH="+filepath.Dir(pgbench)+":"+os.Getenv("PATH"), "PGHOST="+address.Hostname(), "PGPORT="+address.Port(),
		"PGUSER="+address.User.Username(), "PGPASSWORD="+password, "DATABASE_NAME=message_store")}
	install := exec.Command("bash", filepath.Join(source, "database/install.sh"))
	install.Env = db.environment
	if output, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("installing message-db: %w: %s", err, output)
	}
	return db, os.WriteFile(db.script, []byte(writeMessage), 0o644)
}

var (
	benchRate  = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	benchCount = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
)

// write has so many clients write for a while.
func (db *messageDB) write(clients int, duration time.Duration) (perSecond float64, written int, err error) {
	command := exec.Command(db.pgbench, "--no-vacuum", "--protocol=prepared", "--jobs=2", fmt.Sprintf("--client=%d", clients),
		fmt.Sprintf("--time=%d", max(1, int(duration.Seconds()))), "--file="+db.script, "message_store")
	command.Env = append(db.environment, "PGOPTIONS=-c search_path=message_store,public")
	output, err := command.CombinedOutput()
	rate, count := benchRate.FindSubmatch(output), benchCount.FindSubmatch(output)
	if err == nil && count != nil && string(count[1]) == "0" {
		return 0, 0, nil // its clients were not connected in time, and it tells no rate
	}
	if err != nil || rate == nil || count == nil {
		return 0, 0, fmt.Errorf("pgbench: %v: %s", err, output)
	}
	if perSecond, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return 0, 0, err
	}
	written, err = strconv.Atoi(string(count[1]))
	return perSecond, written, err
}
