//go:build !unix

package fs_test

import "testing"

// reportCPU has nothing to report here.
func reportCPU(*testing.B) func() { return func() {} }
