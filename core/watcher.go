package core

import "context"

// A Watcher is a Log that hears of what other processes append. It is a hint alone: several
// appends may be told as one, and any of them may never be told, so who waits for an event
// also looks from time to time.
type Watcher interface {
	// Watch returns a channel that receives soon after appends, of this process and others,
	// until ctx ends; then it is closed.
	Watch(ctx context.Context) <-chan struct{}
}
