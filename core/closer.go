package core

import "context"

// A Closer is a Log that can be closed for good, so that its topic goes on in another
// storage. What it holds stays readable.
type Closer interface {
	// CloseLog closes the log, durably, if its head is still after; from then on every Append,
	// of every process, answers ErrClosed. Closing a closed log is nil. ErrConflict: the
	// head has moved, and the log is as it was. Any other error leaves it unknown; calling it
	// again is safe.
	CloseLog(ctx context.Context, after Head) error
}
