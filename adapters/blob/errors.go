package blob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"eventstore/core"
)

// answerError is what the storage, or the way to it, said, in one line without addresses and
// their secrets.
type answerError struct {
	text  string
	cause error
}

func (e *answerError) Error() string { return e.text }
func (e *answerError) Unwrap() error { return e.cause }

// translate turns an error of the SDK into one of core's, or, where the outcome of a write is
// unknown, into one that is none of them. Nobody else looks at the service's codes.
func translate(err error) error {
	var answer *azcore.ResponseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		said := &answerError{fmt.Sprintf("blob storage answered %d %s", answer.StatusCode, answer.ErrorCode), err}
		if sentinel := meaning(answer); sentinel != nil {
			return fmt.Errorf("%w: %w", sentinel, said)
		}
		return said
	case neverSent(err):
		return fmt.Errorf("%w: %w", core.ErrUnavailable, plain(err))
	}
	return plain(err)
}

// meaning is what an answer means; nil: it may have been carried out.
func meaning(answer *azcore.ResponseError) error {
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.BlobAlreadyExists, bloberror.ContainerAlreadyExists, bloberror.ConditionNotMet,
		bloberror.AppendPositionConditionNotMet, bloberror.TargetConditionNotMet:
		return core.ErrConflict
	case bloberror.BlobNotFound, bloberror.ContainerNotFound, bloberror.ResourceNotFound:
		return core.ErrNotFound
	case bloberror.RequestBodyTooLarge:
		return core.ErrRejected
	case bloberror.ServerBusy, bloberror.BlockCountExceedsLimit, bloberror.ContainerBeingDeleted, bloberror.ContainerDisabled,
		bloberror.AccountBeingCreated, bloberror.AccountIsDisabled, bloberror.InvalidBlobType, bloberror.BlobImmutableDueToPolicy,
		bloberror.LeaseIDMissing:
		return core.ErrUnavailable
	}
	switch status := answer.StatusCode; {
	case status == http.StatusPreconditionFailed:
		return core.ErrConflict
	case status == http.StatusNotFound:
		return core.ErrNotFound
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		return nil
	case status >= 400:
		return core.ErrUnavailable
	}
	return nil
}

// neverSent reports whether a request failed before it reached the storage: there was no
// connection, or no token to send with it.
func neverSent(err error) bool {
	var operation *net.OpError
	var name *net.DNSError
	var early interface{ NonRetriable() } // of a credential, or of a request that can't be made
	return errors.As(err, &operation) && operation.Op == "dial" || errors.As(err, &name) || errors.As(err, &early)
}

// plain is an error without the URL of the request, whose query may be a signature.
func plain(err error) error {
	if errors.Is(err, context.Canceled) {
		return &answerError{"the request was cancelled", err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &answerError{"blob storage did not answer in time", err}
	}
	var request *url.Error
	if errors.As(err, &request) {
		return &answerError{request.Err.Error(), err}
	}
	return &answerError{err.Error(), err}
}

// doubtful reports whether a translated failure of a write calls for a look at what is stored: it
// may have been carried out, or its condition may have failed against itself.
func doubtful(err error) bool {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable) {
		return true
	}
	return errors.Is(err, core.ErrConflict) || unknown(err)
}

// unknown reports whether an error leaves the outcome of a write unknown.
func unknown(err error) bool {
	for _, sentinel := range []error{core.ErrConflict, core.ErrNotFound, core.ErrRejected, core.ErrUnavailable} {
		if errors.Is(err, sentinel) {
			return false
		}
	}
	return err != nil
}

// unavailable is a failed read's error: what is not there is not found, and all else is about
// the storage, whatever it answered.
func unavailable(err error) error {
	switch {
	case err == nil, errors.Is(err, core.ErrNotFound), errors.Is(err, core.ErrUnavailable):
		return err
	case unknown(err):
		return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %v", core.ErrUnavailable, err)
}
