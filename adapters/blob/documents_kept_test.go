package blob

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	var k kept
	value := []byte(strings.Repeat("x", largestKept-1000))
	for i := range 3 * mostKept / largestKept {
		name := fmt.Sprint("n", i)
		for version := range 2 {
			document := core.Document{Key: name, Value: value, Version: fmt.Sprintf(`"%d"`, version)}
			k.put(name, document)
			got, ok := k.get(listed{name, "1"})
			require.Equal(t, version == 1, ok, "another version is another document")
			require.True(t, !ok || got.Key == name)
		}
		require.LessOrEqual(t, k.size, mostKept)
	}
	require.Greater(t, k.size, mostKept-2*largestKept)
	for name := range k.documents {
		k.drop(name)
	}
	require.Zero(t, k.size)
}
