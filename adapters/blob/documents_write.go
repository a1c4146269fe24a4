package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"eventstore/core"
)

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
