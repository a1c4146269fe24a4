package blob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"eventstore/core"
)

// Documents is a core.Documents in a container, a block blob each, whose ETag is the
// version. A read, a write and a deletion are one storage operation; a list is one for each
// 5,000 documents and one for each that it yields, unless it was listed before and not written since.
type Documents struct {
	container *container.Client
	place     string // the container's name, for errors
	kept      kept
}

var _ core.Documents = (*Documents)(nil)

// documentsPrefix is before the names of all documents.
const documentsPrefix = "documents/"

// NewDocuments is the documents of a container, which is created when the first is
// written. Nothing is sent yet; an error is a *core.InvalidError.
func NewDocuments(client *Client, account Account, containerName string) (*Documents, error) {
	if err := checkContainer(containerName); err != nil {
		return nil, err
	}
	in, err := client.container(account, containerName)
	if err != nil {
		return nil, err
	}
	return &Documents{container: in, place: containerName}, nil
}

func (d *Documents) prefix(collection string) string {
	return documentsPrefix + core.EscapeKey(collection) + "/"
}

func (d *Documents) name(collection, key string) string {
	return d.prefix(collection) + core.EscapeKey(key)
}

// Get reads a document.
func (d *Documents) Get(ctx context.Context, collection, key string) (core.Document, error) {
	document, _, err := d.read(ctx, d.name(collection, key))
	if err == nil && document.Key != key {
		err = d.corrupt(d.name(collection, key), "it holds the document %q", document.Key)
	}
	if err != nil {
		return core.Document{}, fmt.Errorf("reading document %q of %q: %w", key, collection, err)
	}
	return document, nil
}

// read reads a document by its blob's name, and the id of the write that made it.
func (d *Documents) read(ctx context.Context, name string) (document core.Document, id string, err error) {
	var data []byte
	for attempt := range attempts {
		data, document.Version, err = d.download(ctx, name)
		if !errors.Is(err, errTruncated) || pause(ctx, attempt) != nil {
			break
		}
	}
	if err != nil {
		return core.Document{}, "", unavailable(err)
	}
	head, value, err := parseDocument(data)
	if err != nil {
		return core.Document{}, "", d.corrupt(name, "%v", err)
	}
	document.Key, document.Value = head.Key, value
	return document, head.Write, nil
}

func (d *Documents) download(ctx context.Context, name string) (data []byte, version string, err error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	answer, err := d.container.NewBlobClient(name).DownloadStream(ctx, nil)
	if err != nil {
		return nil, "", translate(err)
	}
	defer answer.Body.Close()
	if data, err = io.ReadAll(answer.Body); err != nil {
		return nil, "", fmt.Errorf("%w: %w", errTruncated, plain(errors.Join(err, ctx.Err())))
	}
	return data, string(*answer.ETag), nil
}

func (d *Documents) corrupt(name, format string, args ...any) error {
	return &core.CorruptError{Place: "blob " + name + " of container " + d.place, Reason: fmt.Sprintf(format, args...)}
}
