package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"eventstore/core"
)

// Documents is a core.Documents in a container, a block blob each, whose ETag is the
// version. A read, a write and a deletion are one storage operation; a list is one for each
// 5,000 documents and one for each that it yields.
type Documents struct {
	container *container.Client
	place     string // the container's name, for errors
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

// Write puts and deletes documents, several at once.
func (d *Documents) Write(ctx context.Context, writes ...core.Write) (versions []string, err error) {
	versions = make([]string, len(writes))
	if err := ready(ctx); err != nil {
		return versions, err
	}
	errs := make([]error, len(writes))
	room := make(chan struct{}, parallel)
	var writing sync.WaitGroup
	for i, w := range writes {
		room <- struct{}{}
		writing.Go(func() {
			versions[i], errs[i] = d.write(ctx, w)
			<-room
		})
	}
	writing.Wait()
	return versions, outcome(writes, errs)
}

// outcome is one error for the writes of a call, each of which has its own. What it says of
// the writes without a version must hold for each of them, deletions that were made too.
func outcome(writes []core.Write, errs []error) error {
	var conflict, refused, doubt, other error
	deleted := false
	for i, err := range errs {
		switch {
		case err == nil:
			deleted = deleted || writes[i].Value == nil
		case errors.Is(err, core.ErrConflict):
			conflict = err
		case errors.Is(err, core.ErrUnavailable):
			refused = err
		case unknown(err):
			doubt = err
		default:
			other = err
		}
	}
	if refused != nil && (deleted || doubt != nil) {
		refused = fmt.Errorf("%w for some of the documents: %v", core.ErrUnknown, refused)
	}
	return errors.Join(doubt, refused, other, conflict)
}

// write makes one write, and finds out what became of it. It is sent again, under the same
// condition and with the same id, while that is not known.
func (d *Documents) write(ctx context.Context, w core.Write) (version string, err error) {
	name, id := d.name(w.Collection, w.Key), rand.Text()
	data := formatDocument(w.Key, id, w.Value)
	send := func() error { version, err = d.put(ctx, name, w, data); return err }
	settle := func(err error, doubt bool) error {
		version, err = d.settlePut(ctx, name, id, w.Expect, err, doubt)
		return err
	}
	if w.Value == nil {
		send = func() error { return d.remove(ctx, name, w.Expect) }
		settle = func(err error, doubt bool) error { return d.settleRemove(ctx, name, w.Expect, err, doubt) }
	}
	if w.Expect != "" && !isETag(w.Expect) || w.Expect == "" && w.Value == nil {
		return "", d.context(w, d.expectation(ctx, name, w))
	}
	err = settled(ctx, send, settle)
	return version, d.context(w, err)
}

func (d *Documents) context(w core.Write, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing document %q of %q: %w", w.Key, w.Collection, err)
}

// isETag reports whether a version may be one of ours; others, "*" above all, are not sent.
func isETag(version string) bool {
	return len(version) > 2 && version[0] == '"' && version[len(version)-1] == '"'
}

// expectation answers a write that no stored document can be as expected for, but a
// deletion of what is not there.
func (d *Documents) expectation(ctx context.Context, name string, w core.Write) error {
	if w.Expect != "" {
		return fmt.Errorf("%w: %q is no version", core.ErrConflict, w.Expect)
	}
	_, _, err := d.read(ctx, name)
	if errors.Is(err, core.ErrNotFound) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%w: it exists", core.ErrConflict)
	}
	return err
}

func condition(expect string) *azure.AccessConditions {
	if expect == "" {
		return ifAbsent()
	}
	etag := azcore.ETag(expect)
	return &azure.AccessConditions{ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfMatch: &etag}}
}

// put sends a document, first making the container if the first document lacks one.
func (d *Documents) put(ctx context.Context, name string, w core.Write, data []byte) (version string, err error) {
	version, err = d.upload(ctx, name, w.Expect, data)
	if !errors.Is(err, core.ErrNotFound) {
		return version, err
	}
	if w.Expect != "" {
		return "", fmt.Errorf("%w: it does not exist", core.ErrConflict)
	}
	if err := createContainer(ctx, d.container); err != nil {
		return "", err
	}
	return d.upload(ctx, name, w.Expect, data)
}

func (d *Documents) upload(ctx context.Context, name, expect string, data []byte) (version string, err error) {
	ctx, cancel := writing(ctx, len(data))
	defer cancel()
	answer, err := d.container.NewBlockBlobClient(name).Upload(ctx, body(data), &blockblob.UploadOptions{AccessConditions: condition(expect)})
	if err != nil {
		return "", translate(err)
	}
	return string(*answer.ETag), nil
}

func (d *Documents) remove(ctx context.Context, name, expect string) error {
	ctx, cancel := writing(ctx, 0)
	defer cancel()
	_, err := d.container.NewBlobClient(name).Delete(ctx, &azure.DeleteOptions{AccessConditions: condition(expect)})
	if err = translate(err); errors.Is(err, core.ErrNotFound) {
		return fmt.Errorf("%w: it does not exist", core.ErrConflict)
	}
	return err
}

// settlePut finds out what became of a put that failed with err. Where the document has the
// expected version still, a put of unknown outcome may yet arrive; where it has
// another write's, the put may have been made before that.
func (d *Documents) settlePut(ctx context.Context, name, id, expect string, err error, doubt bool) (version string, _ error) {
	ctx, cancel := settling(ctx)
	defer cancel()
	there, written, readErr := d.read(ctx, name)
	switch {
	case readErr == nil && written == id:
		return there.Version, nil
	case readErr != nil && !errors.Is(readErr, core.ErrNotFound):
		return "", unsure(err, readErr)
	case unknown(err), doubt:
		return "", fmt.Errorf("%w: %v", core.ErrUnknown, err)
	case errors.Is(err, core.ErrConflict) && there.Version == expect:
		return "", fmt.Errorf("%w: it has the expected version: %v", core.ErrUnavailable, err)
	}
	return "", err
}

// settleRemove finds out what became of a deletion that failed with err. A document that is
// gone after a deletion of unknown outcome was deleted.
func (d *Documents) settleRemove(ctx context.Context, name, expect string, err error, doubt bool) error {
	ctx, cancel := settling(ctx)
	defer cancel()
	there, _, readErr := d.read(ctx, name)
	gone := errors.Is(readErr, core.ErrNotFound)
	switch {
	case gone && (doubt || !errors.Is(err, core.ErrConflict)):
		return nil
	case readErr != nil && !gone:
		return unsure(err, readErr)
	case unknown(err), doubt:
		return fmt.Errorf("%w: %v", core.ErrUnknown, err)
	case errors.Is(err, core.ErrConflict) && !gone && there.Version == expect:
		return fmt.Errorf("%w: it has the expected version: %v", core.ErrUnavailable, err)
	}
	return err
}

// List yields a collection's documents in the order of their keys. It reads some ahead of
// what it yields, at once.
func (d *Documents) List(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		yielded := 0
		for document, err := range d.readAll(ctx, d.names(ctx, collection, q), q.Limit) {
			if err != nil {
				yield(core.Document{}, fmt.Errorf("listing the documents of %q: %w", collection, err))
				return
			}
			if !strings.HasPrefix(document.Key, q.Prefix) {
				continue
			}
			yielded++
			if !yield(document, nil) || yielded == q.Limit {
				return
			}
		}
	}
}

// names yields the names of the blobs that a query may select.
func (d *Documents) names(ctx context.Context, collection string, q core.ListQuery) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		prefix, after := d.prefix(collection)+core.EscapedPrefix(q.Prefix), ""
		if q.After != "" {
			after = d.name(collection, q.After)
		}
		for item, err := range list(ctx, d.container, prefix, max(prefix, after)) {
			if errors.Is(err, core.ErrNotFound) {
				return // not even the container is there
			}
			if err != nil {
				yield("", err)
				return
			}
			if *item.Name != after && !yield(*item.Name, nil) {
				return
			}
		}
	}
}

// readAll yields the documents of these names, reading up to parallel of them at once.
func (d *Documents) readAll(ctx context.Context, names iter.Seq2[string, error], limit int) iter.Seq2[core.Document, error] {
	return func(yield func(core.Document, error) bool) {
		most := parallel
		if limit > 0 {
			most = min(parallel, limit)
		}
		window := make([]string, 0, most)
		for name, err := range names {
			if err != nil {
				if d.yieldWindow(ctx, window, yield) {
					yield(core.Document{}, err)
				}
				return
			}
			if window = append(window, name); len(window) == most {
				if !d.yieldWindow(ctx, window, yield) {
					return
				}
				window = window[:0]
			}
		}
		d.yieldWindow(ctx, window, yield)
	}
}

// yieldWindow yields the documents of some names, leaving out those that are gone. It reports
// whether to go on.
func (d *Documents) yieldWindow(ctx context.Context, names []string, yield func(core.Document, error) bool) bool {
	documents, errs := make([]core.Document, len(names)), make([]error, len(names))
	var reading sync.WaitGroup
	for i, name := range names {
		reading.Go(func() { documents[i], _, errs[i] = d.read(ctx, name) })
	}
	reading.Wait()
	for i := range documents {
		if errors.Is(errs[i], core.ErrNotFound) {
			continue
		}
		if !yield(documents[i], errs[i]) || errs[i] != nil {
			return false
		}
	}
	return true
}
