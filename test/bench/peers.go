package main

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
)

// candidate is one of the stores that are measured by turns.
type candidate struct {
	name    string
	measure func() (perSecond float64, err error)
	rates   []float64
}

// peerRows: other stores on the same machine, with the same payload and as many clients, each of which awaits that its
// event is durable. What each of them is and is not, docs/benchmarks.md says.
func peerRows(o options, dir string, s *realServers) error {
	if err := installPeers(); err != nil {
		return err
	}
	return errors.Join(filePeers(o, dir), postgresPeers(o, dir, s))
}

// filePeers are those that keep files: the ones beside our fs.
func filePeers(o options, dir string) error {
	app, err := startApp(o, "fs:"+filepath.Join(dir, "ours"))
	if err != nil {
		return err
	}
	defer app.end()
	if err := app.createTopic("bench"); err != nil {
		return err
	}
	stream, err := startJetStream(dir)
	if err != nil {
		return err
	}
	defer stream.server.end()
	durable, err := startDurableStreams(filepath.Join(dir, "durable-streams"))
	if err != nil {
		return err
	}
	defer durable.end()
	return compare(o, "fs", o.connections, []candidate{
		{name: "ours", measure: func() (float64, error) {
			return load(app.host, post("/topics/bench/events"), http.StatusCreated, o.connections, o.seconds)
		}},
		{name: "NATS JetStream, file store with SyncAlways", measure: func() (float64, error) { return stream.publish(o.connections, o.seconds) }},
		{name: "Durable Streams' Node server, files", measure: func() (float64, error) {
			return load(durable.host, post("/bench"), http.StatusNoContent, o.connections, o.seconds)
		}},
	})
}

// postgresPeers are those in PostgreSQL, on the server that our topic is on.
func postgresPeers(o options, dir string, s *realServers) error {
	app, err := startApp(o, s.postgres)
	if err != nil {
		return err
	}
	defer app.end()
	if err := app.createTopic("bench"); err != nil {
		return err
	}
	db, err := installMessageDB(s.postgres, dir)
	if err != nil {
		return err
	}
	return compare(o, "postgres", promisedClients, []candidate{
		{name: "ours", measure: func() (float64, error) {
			return load(app.host, post("/topics/bench/events"), http.StatusCreated, promisedClients, o.seconds)
		}},
		{name: "message-db's write_message by pgbench", measure: func() (float64, error) {
			rate, _, err := db.write(promisedClients, o.seconds)
			return rate, err
		}},
		{name: "Emmett's appendToStream", measure: func() (float64, error) { return emmett(s.postgres, promisedClients, o.seconds) }},
	})
}

// compare measures ours, which is the first, and the others by turns.
func compare(o options, storage string, clients int, candidates []candidate) error {
	for round := range o.rounds + 1 { // the first warms up
		for i := range candidates {
			rate, err := candidates[i].measure()
			if err != nil {
				return fmt.Errorf("%s: %w", candidates[i].name, err)
			}
			if round > 0 {
				candidates[i].rates = append(candidates[i].rates, rate)
			}
		}
	}
	ours := median(candidates[0].rates)
	for _, other := range candidates[1:] {
		theirs := median(other.rates)
		line(fmt.Sprintf("publish one event a request, %s, %d clients", storage, clients), fmt.Sprintf("%.0f/s", ours), fmt.Sprintf("%s: %.0f/s", other.name, theirs), ours/theirs, "–")
	}
	return nil
}
