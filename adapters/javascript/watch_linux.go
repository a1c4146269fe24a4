package javascript

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime gives a function that tells, from any thread, how much of a processor the calling thread has used since.
func threadTime() func() time.Duration {
	// The clock of one thread: the complement of its id, and the kinds "of a thread" (4) and "as scheduled" (2).
	clock := int32(^unix.Gettid()<<3 | 4 | 2)
	started := time.Now()
	begin, err := readClock(clock)
	return func() time.Duration {
		now, nowErr := readClock(clock)
		if err != nil || nowErr != nil {
			return time.Since(started)
		}
		return now - begin
	}
}

func readClock(clock int32) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(clock, &t)
	return time.Duration(t.Nano()), err
}
