// Package segment is the log engine that fs and blob share: a core.Log over files that
// grow at their end. See README.md for the formats and the life of an append.
package segment

import (
	"context"
	"iter"
)

// Files is one log's own small store of files that grow at their end. Names are
// slash-separated paths of the characters a–z, 0–9, '-', '_' and '.', made by this
// package; none is another's directory.
//
// Once a call has returned nil its effect is durable, and every later call, of every
// process, sees it. What ReadAt has returned of a file is durable and is never cut or
// changed behind the reader (but by Put and Remove, which only touch what is derived). All
// methods may be called at once from many goroutines. Errors are those of core:
// ErrUnavailable says that nothing was done; any error that is none of core's leaves
// the outcome unknown.
//
// Each call is one storage operation where the store is a service, so the number of calls
// is the bill.
type Files interface {
	// Append writes data, which is not empty, at the end of name, whole or not at all, if its
	// length is at. core.ErrConflict: it has another length, nothing is written;
	// core.ErrNotFound: there is no such file; core.ErrRejected: this data can't be
	// written there, ever; core.ErrUnavailable: nothing is written now. Any other error leaves the outcome
	// unknown: data may stand at the end, whole, or (where there is a [Cutter]) in part.
	Append(ctx context.Context, name string, at int64, data []byte) error

	// ReadAt reads up to len(p) bytes from offset on; fewer only at the file's end, then with
	// io.EOF, and none with io.EOF at or beyond the end (there Azure answers 416 and Azurite
	// an empty 206: both are io.EOF). core.ErrNotFound: there is no such file.
	ReadAt(ctx context.Context, name string, p []byte, offset int64) (int, error)

	// List yields the files whose names begin with prefix and are not before from, in the
	// order of their names' bytes. It yields an error at most once, last.
	List(ctx context.Context, prefix, from string) iter.Seq2[FileInfo, error]

	// Create makes name with data, which may be empty, if it is absent. core.ErrConflict: it
	// exists, and is as it was. A file created empty can be appended to; one with data need not.
	Create(ctx context.Context, name string, data []byte) error

	// Put makes or replaces name, whole. It is used for what is derived alone (indexes and
	// their manifest): name begins with [Derived], and is never created or appended to.
	Put(ctx context.Context, name string, data []byte) error

	// Remove deletes a file that was Put; it need not exist.
	Remove(ctx context.Context, name string) error
}

// FileInfo is a file's name and length. The length may lag behind a file that is growing.
type FileInfo struct {
	Name string
	Size int64
}

// Cutter is implemented by Files where an append that was interrupted may leave a part of
// its data at the file's end.
type Cutter interface {
	// Cut shortens name to length at, if exactly torn stands behind that. core.ErrConflict:
	// something else does, and the file is as it was.
	Cut(ctx context.Context, name string, at int64, torn []byte) error
}

// Derived is how the names begin of all files that are Put.
const Derived = "index/"

// LargestAppend is the most bytes of one append: a request of the largest size with all that
// the store adds to it fits in.
const LargestAppend = 20 << 20
