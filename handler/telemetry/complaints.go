package telemetry

import (
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"
)

// complaints log what OpenTelemetry's own work fails at: the first, and then one a minute.
type complaints struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	last    time.Time // guarded by mu
	dropped int       // guarded by mu; errors that were not logged since
}

// Handle logs an error, or counts it.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.last.IsZero() || now.Sub(c.last) >= time.Minute {
		c.log.Warn("telemetry could not be sent", "error", plain(err), "others", c.dropped)
		c.last, c.dropped = now, 0
		return
	}
	c.dropped++
}

// plain is an error without the collector's URL, in which a key may stand.
func plain(err error) string {
	var called *url.Error
	if errors.As(err, &called) {
		return called.Op + ": " + called.Err.Error()
	}
	return err.Error()
}
