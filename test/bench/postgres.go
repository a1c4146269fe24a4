package main

import (
	"fmt"
	"net/http"
	"slices"
)

// messageDBClients are the numbers of clients of which message-db's best counts.
var messageDBClients = []int{8, 16, 32, 64}

// postgresRow: one event a request over HTTP on a PostgreSQL topic, against message-db on the same server.
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
	told, best := "", 0.0
	for i, clients := range messageDBClients {
		rate := median(theirs[i])
		told += fmt.Sprintf(" %d: %.0f,", clients, rate)
		best = max(best, rate)
	}
	line(fmt.Sprintf("publish over HTTP, one event of %d bytes a request, postgres", len(event)),
		fmt.Sprintf("%.0f/s (%.0f–%.0f), %d events", median(ours), slices.Min(ours), slices.Max(ours), head),
		fmt.Sprintf("message-db's write_message, by clients:%s %d messages; the best: %.0f/s", told, written, best), median(ours)/best, "≥ 8")
	return nil
}
