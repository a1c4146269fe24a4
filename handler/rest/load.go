package rest

import (
	"runtime"
	"sync/atomic"
)

// Load counts the requests that are being worked on. Those that stream, or wait for something to happen, are not.
// Its zero value is ready, for any number of handlers and goroutines.
type Load struct{ working atomic.Int64 }

// Busy reports whether there are more of them than processors: then whatever else is done holds some of them up.
func (l *Load) Busy() bool {
	return l.working.Load() > int64(runtime.GOMAXPROCS(0))
}

func (l *Load) begin() { l.working.Add(1) }

func (l *Load) end() { l.working.Add(-1) }
