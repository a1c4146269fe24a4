package report

import (
	"flag"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// SeedVariable names the environment variable that holds the number from which all that is random in the tests of faults
// follows, so that a failure can be repeated as far as the order in which goroutines and processes run allows.
const SeedVariable = "EVENTSTORE_TEST_SEED"

var seed = sync.OnceValue(func() uint64 {
	if n, err := strconv.ParseUint(os.Getenv(SeedVariable), 10, 64); err == nil {
		return n
	}
	return rand.Uint64N(1 << 32)
})

// Random is a source that follows from the seed, the test's name and the salt. It is for one goroutine.
func Random(t testing.TB, salt ...string) *rand.Rand {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with %s=%d", SeedVariable, seed())
		}
	})
	return rand.New(rand.NewPCG(seed(), digest(t.Name()+"/"+strings.Join(salt, "/"))))
}

func digest(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// Long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func Long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }

// Times is how often something is done: in the short form of a test and in its long one.
func Times(short, long int) int {
	if Long() {
		return long
	}
	return short
}

var setRapid sync.Once

// Sequences is how many sequences of commands rapid.Check makes, in the short form and in the long one, from the seed where
// one is given. It sets rapid's flags, which are of the whole process: a package's first call decides.
func Sequences(t testing.TB, short, long int) int {
	t.Helper()
	n := Times(short, long)
	setRapid.Do(func() {
		set(t, "rapid.checks", strconv.Itoa(n))
		if os.Getenv(SeedVariable) != "" {
			set(t, "rapid.seed", strconv.FormatUint(seed(), 10))
		}
	})
	return n
}

func set(t testing.TB, name, value string) {
	t.Helper()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}
