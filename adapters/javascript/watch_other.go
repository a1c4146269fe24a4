//go:build !linux

package javascript

import "time"

// threadTime gives a function that tells how much time has passed since: all of it counts as the call's.
func threadTime() func() time.Duration {
	started := time.Now()
	return func() time.Duration { return time.Since(started) }
}
