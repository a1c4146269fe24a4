package main

import (
	"fmt"
	"net/http"
	"slices"
)

// messageDBClients are the numbers of clients that write to message-db; promisedClients is the one that the promise is
// about.
var messageDBClients = []int{8, 16, promisedClients, 64}

const promisedClients = 32

// postgresRow: one event a request over HTTP on a PostgreSQL topic, against message-db on the same server with 32
// clients, and with as many as are its best here.
func postgresRow(o options, dir string, s *realServers) error {
	db, err := installMessageDB(s.postgres, dir)
	if err != nil {
		return err
	}
	app, err := startApp(o, s.postgres)
	if err != nil {
		return err
	}
	defer app.end()
	if err := app.createTopic("bench"); err != nil {
		return err
	}
	var ours []float64
	theirs, written := make([][]float64, len(messageDBClients)), 0
	for round := range o.rounds + 1 { // the first warms up
		rate, err := load(app.host, post("/topics/bench/events"), http.StatusCreated, o.connections, o.seconds)
		if err != nil {
			return err
		}
		if round > 0 {
			ours = append(ours, rate)
		}
		for i, clients := range messageDBClients {
			rate, n, err := db.write(clients, o.seconds)
			if err != nil {
				return err
			}
			if written += n; round > 0 {
				theirs[i] = append(theirs[i], rate)
			}
		}
	}
	head, err := app.headOf("bench")
	if err != nil {
		return err
	}
	told, best, promised := "", 0.0, 0.0
	for i, clients := range messageDBClients {
		rate := median(theirs[i])
		told += fmt.Sprintf(" %d: %.0f,", clients, rate)
		best = max(best, rate)
		if clients == promisedClients {
			promised = rate
		}
	}
	what := fmt.Sprintf("publish over HTTP, one event of %d bytes a request, postgres", len(event))
	our := fmt.Sprintf("%.0f/s (%.0f–%.0f), %d events", median(ours), slices.Min(ours), slices.Max(ours), head)
	line(what, our, fmt.Sprintf("message-db's write_message with %d clients: %.0f/s", promisedClients, promised), median(ours)/promised, "≥ 8")
	line("the same", our, fmt.Sprintf("message-db by clients:%s %d messages; the best: %.0f/s", told, written, best), median(ours)/best, "–")
	return nil
}
