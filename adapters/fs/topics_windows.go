package fs

import "syscall"

// errNotDirectory is what a system says of a path that goes on behind a file; Windows says
// that it does not exist.
var errNotDirectory error = syscall.Errno(267) // ERROR_DIRECTORY
