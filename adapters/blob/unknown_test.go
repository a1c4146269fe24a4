package blob_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/servers"
)

// An append that arrives after it was looked for, and was sent again, is there once.
func TestAppendThatArrivesLate(t *testing.T) {
	t.Parallel()
	in, lost := newContainer(), &fault{operation: "AppendBlock", answer: answers[0]}
	files := blob.OpenFiles(t, &blob.Client{Policies: []policy.Policy{lost}}, account(t), in)
	require.NoError(t, files.Create(t.Context(), "log/1", nil))
	requireHonest(t, lost, files.Append(t.Context(), "log/1", 0, []byte("hello\n")))
	late := blob.OpenFiles(t, new(blob.Client), account(t), in)
	require.NoError(t, late.Append(t.Context(), "log/1", 0, []byte("hello\n")))
	require.NoError(t, files.Append(t.Context(), "log/1", 0, []byte("hello\n")))
	p := make([]byte, 20)
	n, err := files.ReadAt(t.Context(), "log/1", p, 0)
	require.Equal(t, io.EOF, err)
	require.Equal(t, "hello\n", string(p[:n]))
}

// overtaken sends the first PutBlob, lets another do something, and loses the answer.
type overtaken struct{ other func() }

func (o *overtaken) Do(req *policy.Request) (*http.Response, error) {
	if o.other == nil || blob.OperationOf(req.Raw()) != "PutBlob" {
		return req.Next()
	}
	answer, err := req.Next()
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	o.other()
	o.other = nil
	return nil, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
}

// A document that was put, and then changed by another before the answer was lost, is no
// conflict: that would say that it was never put.
func TestPutThatWasOvertaken(t *testing.T) {
	t.Parallel()
	in := newContainer()
	other := documents(t, in)
	_, err := other.Write(t.Context(), core.Write{Collection: "c", Key: "x", Value: []byte("x")})
	require.NoError(t, err)
	late := &overtaken{other: func() {
		was, err := other.Get(t.Context(), "c", "k")
		require.NoError(t, err)
		require.Equal(t, "mine", string(was.Value))
		_, err = other.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("theirs"), Expect: was.Version})
		require.NoError(t, err)
	}}
	versions, err := documents(t, in, late).Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("mine")})
	require.ErrorIs(t, err, core.ErrUnknown)
	require.NotErrorIs(t, err, core.ErrConflict)
	require.NotErrorIs(t, err, core.ErrUnavailable)
	require.Equal(t, []string{""}, versions)
}

// Of many writes the error says no more than holds for each that has no version.
func TestManyWritesOfWhichSomeFail(t *testing.T) {
	t.Parallel()
	in := newContainer()
	clean := documents(t, in)
	got, err := clean.Write(t.Context(), core.Write{Collection: "c", Key: "gone", Value: []byte("v")}, core.Write{Collection: "c", Key: "taken", Value: []byte("v")})
	require.NoError(t, err)
	busy := answer{"503", 503, "ServerBusy", nil}
	d := documents(t, in, &fault{operation: "PutBlob", answer: busy})
	versions, err := d.Write(t.Context(), core.Write{Collection: "c", Key: "gone", Expect: got[0]}, core.Write{Collection: "c", Key: "new", Value: []byte("v")})
	require.ErrorIs(t, err, core.ErrUnknown, "the deletion was made")
	require.NotErrorIs(t, err, core.ErrUnavailable)
	require.Equal(t, []string{"", ""}, versions)
	d = documents(t, in, &fault{operation: "PutBlob", answer: busy})
	for range 2 {
		versions, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "new", Value: []byte("v")})
		if err == nil {
			break
		}
		require.ErrorIs(t, err, core.ErrUnavailable)
	}
	require.NotEmpty(t, versions[0])
	versions, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "taken", Value: []byte("v")}, core.Write{Collection: "c", Key: "free", Value: []byte("v")})
	require.ErrorIs(t, err, core.ErrConflict)
	require.Empty(t, versions[0])
	require.NotEmpty(t, versions[1])
}

// The storage is stopped and started in the middle of publishing.
func TestStorageThatRestarts(t *testing.T) {
	t.Parallel()
	server := servers.NewBlob(t)
	own, err := blob.ParseAccount("connection", server.Address)
	require.NoError(t, err)
	config := blob.Config{Client: new(blob.Client), Account: own, Container: newContainer()}
	topic := core.TopicConfig{Name: "orders"}
	log := openLog(t, config, topic)
	p := &publisher{topics: blob.NewTopics(config), topic: topic}
	acknowledged := []string{}
	for i := range 4 {
		if i == 2 {
			server.Stop(t)
			require.ErrorIs(t, p.try(t, coretest.Sample(i)), core.ErrUnavailable)
			server.Start(t)
		}
		p.publish(t, coretest.Sample(i))
		acknowledged = append(acknowledged, coretest.Sample(i).ID)
	}
	requireOnce(t, log, acknowledged)
}
