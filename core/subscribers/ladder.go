package subscribers

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Ladder is the waits before a delivery's attempts. There are as many attempts as waits. The first attempt is
// made at once, whatever the first wait says: it stands there so that the others are counted from it.
type Ladder []time.Duration

// maxRetryAfter bounds what a receiver may ask for with Retry-After.
const maxRetryAfter = 24 * time.Hour

// DefaultLadder is the waits where no setting gives others.
func DefaultLadder() Ladder {
	return Ladder{0, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour}
}

// ParseLadder reads durations separated by commas, such as "0s,5s,30s".
func ParseLadder(text string) (Ladder, error) {
	var ladder Ladder
	for part := range strings.SplitSeq(text, ",") {
		wait, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || wait < 0 || wait > 30*24*time.Hour {
			return nil, fmt.Errorf("%q is not a duration from 0s to 720h; the waits between attempts are written as 0s,5s,30s,2m", part)
		}
		ladder = append(ladder, wait)
	}
	return ladder, nil
}

// last reports whether a delivery that failed this often has had its last attempt.
func (l Ladder) last(attempts int) bool { return attempts >= len(l) }

// next is when to try again what has failed attempts times, the last time now, where the
// receiver asked to be left alone for retryAfter. Waits are spread by a tenth each way, so that
// deliveries which failed together do not come back together.
func (l Ladder) next(now time.Time, attempts int, retryAfter time.Duration) time.Time {
	wait := l[min(attempts, len(l)-1)]
	if wait > 0 {
		wait += time.Duration((rand.Float64() - 0.5) / 5 * float64(wait))
	}
	return now.Add(max(wait, min(retryAfter, maxRetryAfter)))
}
