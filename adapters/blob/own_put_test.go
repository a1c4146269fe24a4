package blob_test

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/core"
)

// stored makes a document and returns its version.
func stored(t *testing.T, d core.Documents, key, value string) string {
	t.Helper()
	versions, err := d.Write(t.Context(), core.Write{Collection: "c", Key: key, Value: []byte(value)})
	require.NoError(t, err)
	return versions[0]
}

// A put whose answer was lost is known again by the id in the blob: it is told as made, with its version, and not sent twice.
func TestPutWhoseAnswerWasLostIsKnownByItsID(t *testing.T) {
	t.Parallel()
	for name, update := range map[string]bool{"a new document": false, "another version": true} {
		for _, lost := range answers {
			t.Run(name+", "+lost.name, func(t *testing.T) {
				t.Parallel()
				in, counter := newContainer(), new(blob.Counter)
				clean := documents(t, in)
				stored(t, clean, "other", "makes the container")
				write := core.Write{Collection: "c", Key: "k", Value: []byte("mine")}
				if update {
					write.Expect = stored(t, clean, "k", "mine")
				}
				versions, err := documents(t, in, &fault{operation: "PutBlob", answer: lost, sent: true}, counter).Write(t.Context(), write)
				require.NoError(t, err)
				there, err := clean.Get(t.Context(), "c", "k")
				require.NoError(t, err)
				require.Equal(t, there.Version, versions[0])
				require.NotEqual(t, write.Expect, versions[0])
				require.Equal(t, int64(1), counter.Calls()["PutBlob"], "%v", counter.Calls())
			})
		}
	}
}

// preempted has another write come first, and loses the answer to the put, which is not made.
type preempted struct{ other func() }

func (p *preempted) Do(req *policy.Request) (*http.Response, error) {
	if p.other != nil && blob.OperationOf(req.Raw()) == "PutBlob" {
		p.other()
		p.other = nil
		return nil, answers[0].err
	}
	return req.Next()
}

// Another's document with the very same value is not taken for one's own: whoever made it has its version.
func TestPutOfTheSameValueByAnotherIsNotOnesOwn(t *testing.T) {
	t.Parallel()
	in := newContainer()
	clean := documents(t, in)
	stored(t, clean, "other", "makes the container")
	first := &preempted{other: func() { stored(t, clean, "k", "the same") }}
	versions, err := documents(t, in, first).Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("the same")})
	require.ErrorIs(t, err, core.ErrUnknown)
	require.Equal(t, []string{""}, versions)
}
