//go:build !windows

package fs

import "syscall"

// errNotDirectory is what a system says of a path that goes on behind a file.
var errNotDirectory error = syscall.ENOTDIR
