package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// blobRows: publishing on Azurite, by the event, by the hundred and by the storage's bill.
func blobRows(o options, dir string, s *realServers) error {
	app, err := startAppOnBlob(o, s.blob, "bench")
	if err != nil {
		return err
	}
	defer app.end()
	if err := app.createTopic("bench"); err != nil {
		return err
	}
	bare, err := newBareBlob(s.blob)
	if err != nil {
		return err
	}
	if err := blobEvents(o, app, bare); err != nil {
		return err
	}
	if err := blobHundreds(o, app, bare); err != nil {
		return err
	}
	return blobBill(o, dir, s)
}

// blobEvents: one event a request, against callers that await each append.
func blobEvents(o options, app *process, bare *bareBlob) error {
	var many, one, bares []float64
	for round := range o.rounds + 1 { // the first warms up
		manyRate, err := load(app.host, post("/topics/bench/events"), http.StatusCreated, o.connections, o.seconds)
		if err != nil {
			return err
		}
		oneRate, err := load(app.host, post("/topics/bench/events"), http.StatusCreated, 1, o.seconds)
		if err != nil {
			return err
		}
		bareRate, err := bare.appends(len(event), o.seconds)
		if err != nil {
			return err
		}
		if round > 0 {
			many, one, bares = append(many, manyRate), append(one, oneRate), append(bares, bareRate)
		}
	}
	line(fmt.Sprintf("publish over HTTP, one event of %d bytes a request, blob (Azurite)", len(event)),
		fmt.Sprintf("%.0f/s, %d events", median(many), int(sum(many)*o.seconds.Seconds())),
		fmt.Sprintf("one publisher that awaits each: %.0f/s", median(one)), median(many)/median(one), "≥ 10")
	line("the same", fmt.Sprintf("%.0f/s", median(many)),
		fmt.Sprintf("a bare loop of appends of %d bytes: %.0f/s", len(event), median(bares)), median(many)/median(bares), "–")
	return nil
}

// blobHundreds: 100 events a request, against a bare loop of large appends.
func blobHundreds(o options, app *process, bare *bareBlob) error {
	body := "[" + strings.Repeat(event+",", 99) + event + "]"
	var ours, bares []float64
	for round := range o.rounds + 1 {
		our, err := load(app.host, postBody("/topics/bench/events", body), http.StatusCreated, o.connections, o.seconds)
		if err != nil {
			return err
		}
		their, err := bare.appends(1<<20, o.seconds)
		if err != nil {
			return err
		}
		if round > 0 {
			ours, bares = append(ours, our), append(bares, their*(1<<20)/1e6)
		}
	}
	stored, err := stream(app.host, "/topics/bench/events/1", "application/json") // an event's line, but for its newline
	if err != nil {
		return err
	}
	requests := median(ours)
	appended := requests * 100 * float64(stored+1) / 1e6
	line("publish over HTTP, 100 events a request, blob (Azurite): bytes appended",
		fmt.Sprintf("%.1f MB/s (requests: %.1f MB/s), %d events", appended, requests*float64(len(body))/1e6, int(sum(ours)*100*o.seconds.Seconds())),
		fmt.Sprintf("a bare loop of appends of 1 MiB: %.1f MB/s", median(bares)), appended/median(bares), "≥ 0.5")
	return nil
}

// bareBlob appends to blobs as simply as one can.
type bareBlob struct {
	container *container.Client
	made      int
}

func newBareBlob(connection string) (*bareBlob, error) {
	client, err := container.NewClientFromConnectionString(connection, "bare", nil)
	if err != nil {
		return nil, err
	}
	_, err = client.Create(context.Background(), nil)
	return &bareBlob{container: client}, err
}

// appends appends so many bytes at a time to a new blob, each when the one before is answered, and returns how many
// were in a second.
func (b *bareBlob) appends(size int, duration time.Duration) (perSecond float64, err error) {
	b.made++
	ctx, blob := context.Background(), b.container.NewAppendBlobClient(fmt.Sprintf("bare-%d", b.made))
	if _, err := blob.Create(ctx, nil); err != nil {
		return 0, err
	}
	block, begun, n := bytes.Repeat([]byte("x"), size), time.Now(), 0
	for ; time.Since(begun) < duration; n++ {
		if _, err := blob.AppendBlock(ctx, nopCloser{bytes.NewReader(block)}, (*appendblob.AppendBlockOptions)(nil)); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }
