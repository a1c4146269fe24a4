package blob

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"eventstore/core"
)

// attempts is how often a write that may be repeated is sent, when its outcome is unknown.
const attempts = 4

// pause waits before the next attempt: about 50 ms, doubled each time.
func pause(ctx context.Context, attempt int) error {
	longest := 50 * time.Millisecond << attempt
	select {
	case <-time.After(longest/2 + rand.N(longest/2)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// again makes a write that may be repeated as often as one likes, until it is known to have
// been made or refused.
func again(ctx context.Context, write func() error) error {
	return settled(ctx, write, func(err error, _ bool) error {
		if unknown(err) {
			return fmt.Errorf("%w: %w", core.ErrUnknown, err)
		}
		return err
	})
}

// settled sends a write that may be repeated, since it is conditional or always the same, until
// it is known what became of it. settle finds that out after a failure, and answers ErrUnknown where
// it can't; doubt is whether one sent before may have been carried out, or may be yet.
func settled(ctx context.Context, send func() error, settle func(err error, doubt bool) error) (err error) {
	if err := ready(ctx); err != nil {
		return err
	}
	doubt := false
	for attempt := range attempts {
		if err = send(); doubtful(err) {
			err = settle(err, doubt)
		}
		if doubt && errors.Is(err, core.ErrUnavailable) {
			err = fmt.Errorf("%w: %v", core.ErrUnknown, err)
		}
		if !errors.Is(err, core.ErrUnknown) {
			return err
		}
		doubt = true
		if pause(ctx, attempt) != nil {
			break
		}
	}
	return err
}

// unsure is the error of a write that failed with err, where reading it back failed too. It is
// neither of the two.
func unsure(err, readErr error) error {
	return fmt.Errorf("%w: %v; and reading it back: %v", core.ErrUnknown, err, readErr)
}

func beyondEnd(err error) bool {
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusRequestedRangeNotSatisfiable || answer.ErrorCode == string(bloberror.InvalidRange))
}

// list yields the blobs whose names begin with prefix and are not before from, in the order
// of their names.
func list(ctx context.Context, in *container.Client, prefix, from string) iter.Seq2[*container.BlobItem, error] {
	return func(yield func(*container.BlobItem, error) bool) {
		options := &container.ListBlobsFlatOptions{Prefix: &prefix}
		if from > prefix {
			if !strings.HasPrefix(from, prefix) {
				return // behind all of them
			}
			options.StartFrom = &from
		}
		for pager := in.NewListBlobsFlatPager(options); pager.More(); {
			page, err := nextPage(ctx, pager.NextPage)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page.Segment.BlobItems {
				if *item.Name >= from && !directory(item) && !yield(item, nil) {
					return
				}
			}
		}
	}
}

func nextPage(ctx context.Context, next func(context.Context) (container.ListBlobsFlatResponse, error)) (container.ListBlobsFlatResponse, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	page, err := next(ctx)
	return page, unavailable(translate(err))
}

// directory reports whether an item of a hierarchical account's list is no blob.
func directory(item *container.BlobItem) bool {
	return item.Properties.ResourceType != nil && *item.Properties.ResourceType == "directory"
}
