package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"eventstore/adapters/segment"
	"eventstore/core"
)

// Files is a segment.Files under a prefix of a container: an append blob for each file
// that grows, a block blob for each that does not. A call is one storage operation, unless
// what became of a write has to be found out.
type Files struct {
	container *container.Client
	prefix    string // ends with a slash
}

var _ segment.Files = (*Files)(nil)

// mostAppends is how many appends a segment takes: an append blob takes 50,000 blocks, and
// the count is kept by who appends, so there is room for many instances to be wrong.
const mostAppends = 40_000

// ifAbsent is the condition under which a blob is created. A creation without it empties
// the blob that is there.
func ifAbsent() *azure.AccessConditions {
	return &azure.AccessConditions{ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

func body(data []byte) io.ReadSeekCloser { return streaming.NopCloser(bytes.NewReader(data)) }

func (f *Files) context(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, name, err)
}

// ready reports why nothing is to be begun any more, if so.
func ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return nil
}

// Append writes one block at the end of a file, if that is at.
func (f *Files) Append(ctx context.Context, name string, at int64, data []byte) error {
	if err := ready(ctx); err != nil {
		return err
	}
	err := translate(f.appendBlock(ctx, name, at, data))
	if doubtful(err) {
		err = f.settleAppend(ctx, name, at, data, err)
	}
	return f.context("appending to", name, err)
}

func (f *Files) appendBlock(ctx context.Context, name string, at int64, data []byte) error {
	ctx, cancel := writing(ctx, len(data))
	defer cancel()
	_, err := f.container.NewAppendBlobClient(f.prefix+name).AppendBlock(ctx, body(data),
		&appendblob.AppendBlockOptions{AppendPositionAccessConditions: &appendblob.AppendPositionAccessConditions{AppendPosition: &at}})
	return err
}

// settleAppend finds out what became of an append that failed with err, by reading what
// stands where it would be. What is not there may yet arrive, unless the answer was a refusal.
func (f *Files) settleAppend(ctx context.Context, name string, at int64, data []byte, err error) error {
	ctx, cancel := settling(ctx)
	defer cancel()
	there := make([]byte, len(data))
	n, readErr := f.ReadAt(ctx, name, there, at)
	switch {
	case readErr != nil && readErr != io.EOF:
		return unsure(err, readErr)
	case n == len(data) && bytes.Equal(there, data):
		return nil
	case n > 0:
		return fmt.Errorf("%w: other bytes are at %d", core.ErrConflict, at)
	case unknown(err):
		return fmt.Errorf("%w: %w", core.ErrUnknown, err)
	}
	return err
}

// ReadAt reads from offset on, without a condition: every append changes the blob's ETag.
func (f *Files) ReadAt(ctx context.Context, name string, p []byte, offset int64) (n int, err error) {
	for attempt := range attempts {
		var more int
		more, err = f.readRange(ctx, name, p[n:], offset+int64(n))
		if n += more; !errors.Is(err, errTruncated) {
			break
		}
		if err := pause(ctx, attempt); err != nil {
			break
		}
	}
	if err == io.EOF {
		return n, err
	}
	return n, f.context("reading", name, unavailable(err))
}

// errTruncated: the connection broke in the middle of an answer.
var errTruncated = errors.New("the answer was cut off")

// readRange is one request. Beyond the end Azure answers 416, and Azurite an empty 206.
func (f *Files) readRange(ctx context.Context, name string, p []byte, offset int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	ctx, cancel := reading(ctx)
	defer cancel()
	answer, err := f.container.NewBlobClient(f.prefix+name).DownloadStream(ctx,
		&azure.DownloadStreamOptions{Range: azure.HTTPRange{Offset: offset, Count: int64(len(p))}})
	if beyondEnd(err) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, translate(err)
	}
	defer answer.Body.Close()
	n, err := io.ReadFull(answer.Body, p)
	if answer.ContentLength == nil || int64(n) != min(*answer.ContentLength, int64(len(p))) {
		return n, fmt.Errorf("%w: %w", errTruncated, plain(errors.Join(err, ctx.Err())))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Create makes a file: an append blob where it is empty, else a block blob.
func (f *Files) Create(ctx context.Context, name string, data []byte) error {
	return f.context("creating", name, settled(ctx,
		func() error { return translate(f.create(ctx, name, data)) },
		func(err error, doubt bool) error { return f.settleCreate(ctx, name, data, err, doubt) }))
}

func (f *Files) create(ctx context.Context, name string, data []byte) (err error) {
	ctx, cancel := writing(ctx, len(data))
	defer cancel()
	if len(data) == 0 {
		_, err = f.container.NewAppendBlobClient(f.prefix+name).Create(ctx, &appendblob.CreateOptions{AccessConditions: ifAbsent()})
		return err
	}
	_, err = f.container.NewBlockBlobClient(f.prefix+name).Upload(ctx, body(data), &blockblob.UploadOptions{AccessConditions: ifAbsent()})
	return err
}

// settleCreate finds out what became of a creation that failed with err. Who makes an empty
// file makes the same as any other, so an unknown creation of one that is there was made.
func (f *Files) settleCreate(ctx context.Context, name string, data []byte, err error, doubt bool) error {
	ctx, cancel := settling(ctx)
	defer cancel()
	there := make([]byte, len(data)+1)
	n, readErr := f.ReadAt(ctx, name, there, 0)
	absent := errors.Is(readErr, core.ErrNotFound)
	switch {
	case absent && unknown(err):
		return fmt.Errorf("%w: %w", core.ErrUnknown, err)
	case absent && errors.Is(err, core.ErrConflict):
		return fmt.Errorf("%w: it is not there: %v", core.ErrUnavailable, err)
	case absent:
		return err
	case readErr != nil && readErr != io.EOF:
		return unsure(err, readErr)
	case len(data) == 0 && (doubt || unknown(err)), len(data) > 0 && bytes.Equal(there[:n], data):
		return nil
	}
	return fmt.Errorf("%w: it exists: %v", core.ErrConflict, err)
}

// Put makes or replaces a file, as a block blob.
func (f *Files) Put(ctx context.Context, name string, data []byte) error {
	return f.context("putting", name, again(ctx, func() error {
		ctx, cancel := writing(ctx, len(data))
		defer cancel()
		_, err := f.container.NewBlockBlobClient(f.prefix+name).Upload(ctx, body(data), nil)
		return translate(err)
	}))
}

// Remove deletes a file, if it is there.
func (f *Files) Remove(ctx context.Context, name string) error {
	return f.context("removing", name, again(ctx, func() error {
		ctx, cancel := writing(ctx, 0)
		defer cancel()
		_, err := f.container.NewBlobClient(f.prefix+name).Delete(ctx, nil)
		if err = translate(err); errors.Is(err, core.ErrNotFound) {
			return nil
		}
		return err
	}))
}

// List yields the files in the order of their names, 5,000 an operation.
func (f *Files) List(ctx context.Context, prefix, from string) iter.Seq2[segment.FileInfo, error] {
	return func(yield func(segment.FileInfo, error) bool) {
		for item, err := range list(ctx, f.container, f.prefix+prefix, f.prefix+max(from, prefix)) {
			if err != nil {
				yield(segment.FileInfo{}, f.context("listing", prefix, err))
				return
			}
			if !yield(segment.FileInfo{Name: strings.TrimPrefix(*item.Name, f.prefix), Size: *item.Properties.ContentLength}, nil) {
				return
			}
		}
	}
}
