package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"eventstore/adapters/blob"
	"eventstore/adapters/segment"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/test/faults/report"
)

// answer is what a fault answers a request with: a status and code, or an error.
type answer struct {
	name   string
	status int
	code   string
	err    error
}

var answers = []answer{
	{"timeout", 0, "", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}},
	{"reset", 0, "", &net.OpError{Op: "read", Err: syscall.ECONNRESET}},
	{"500", 500, "OperationTimedOut", nil},
	{"503", 503, "ServerBusy", nil},
	{"408", 408, "", nil},
	{"412", 412, "ConditionNotMet", nil},
	{"409", 409, "BlobAlreadyExists", nil},
	{"409 while read", 409, "BlobModifiedWhileReading", nil},
	{"429", 429, "TooManyRequests", nil},
}

// fault is a policy that spoils one request of an operation: it is not sent, or it is sent
// and carried out and its answer dropped.
type fault struct {
	operation string
	answer    answer
	sent      bool

	mu     sync.Mutex
	skip   int  // guarded by mu; how many of the operation pass before
	struck bool // guarded by mu
}

func (f *fault) String() string {
	how := "not sent"
	if f.sent {
		how = "sent, answer lost"
	}
	return fmt.Sprintf("%s, %s, %s", f.operation, f.answer.name, how)
}

func (f *fault) strikes(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if blob.OperationOf(r) != f.operation || f.struck {
		return false
	}
	if f.skip--; f.skip >= 0 {
		return false
	}
	f.struck = true
	return true
}

func (f *fault) hasStruck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck
}

func (f *fault) Do(req *policy.Request) (*http.Response, error) {
	if !f.strikes(req.Raw()) {
		return req.Next()
	}
	if f.sent {
		real, err := req.Next()
		if err != nil {
			return nil, err
		}
		io.Copy(io.Discard, real.Body)
		real.Body.Close()
	}
	if f.answer.err != nil {
		return nil, f.answer.err
	}
	return &http.Response{StatusCode: f.answer.status, Status: http.StatusText(f.answer.status), Request: req.Raw(),
		Header: http.Header{"X-Ms-Error-Code": {f.answer.code}}, Body: http.NoBody}, nil
}

// eachFault runs a test for each answer, sent and not, to each of the operations. A read
// has no effect that its answer could belie, so it is not sent.
func eachFault(t *testing.T, operations []string, test func(*testing.T, *fault)) {
	for _, operation := range operations {
		for _, a := range answers {
			for _, sent := range []bool{false, true} {
				if sent && (operation == "GetBlob" || operation == "ListBlobs") {
					continue
				}
				f := &fault{operation: operation, answer: a, sent: sent}
				t.Run(f.String(), func(t *testing.T) {
					t.Parallel()
					row := report.Begin(t, "spoiled answers", "blob")
					test(t, f)
					if f.hasStruck() {
						row.Inject(1)
					}
				})
			}
		}
	}
}

func TestAppendWhoseAnswerIsSpoiled(t *testing.T) {
	eachFault(t, []string{"AppendBlock"}, func(t *testing.T, f *fault) {
		in := newContainer()
		files := blob.OpenFiles(t, &blob.Client{Policies: []policy.Policy{f}}, account(t), in)
		require.NoError(t, files.Create(t.Context(), "log/1", nil))
		err := files.Append(t.Context(), "log/1", 0, []byte("hello\n"))
		require.True(t, f.hasStruck())
		p := make([]byte, 10)
		n, readErr := files.ReadAt(t.Context(), "log/1", p, 0)
		require.Equal(t, io.EOF, readErr)
		if f.sent {
			require.NoError(t, err)
			require.Equal(t, "hello\n", string(p[:n]))
			return
		}
		require.Error(t, err)
		require.Zero(t, n)
		requireHonest(t, f, err)
		require.NoError(t, files.Append(t.Context(), "log/1", 0, []byte("hello\n")))
	})
}

// requireHonest: an error says that nothing was done only where the storage said so.
func requireHonest(t *testing.T, f *fault, err error) {
	t.Helper()
	want := map[string]error{"412": core.ErrConflict, "409": core.ErrConflict, "503": core.ErrUnavailable, "429": core.ErrUnavailable}[f.answer.name]
	if want != nil {
		require.ErrorIs(t, err, want)
		return
	}
	for _, sentinel := range []error{core.ErrConflict, core.ErrUnavailable, core.ErrNotFound, core.ErrRejected} {
		require.NotErrorIs(t, err, sentinel)
	}
}

// An append that is known to have lost to another is a conflict, whatever was answered.
func TestAppendWhoseAnswerIsSpoiledAfterAnother(t *testing.T) {
	eachFault(t, []string{"AppendBlock"}, func(t *testing.T, f *fault) {
		in := newContainer()
		other := blob.OpenFiles(t, new(blob.Client), account(t), in)
		require.NoError(t, other.Create(t.Context(), "log/1", nil))
		require.NoError(t, other.Append(t.Context(), "log/1", 0, []byte("other\n")))
		files := blob.OpenFiles(t, &blob.Client{Policies: []policy.Policy{f}}, account(t), in)
		require.ErrorIs(t, files.Append(t.Context(), "log/1", 0, []byte("mine, which is longer\n")), core.ErrConflict)
	})
}

func TestCreateWhoseAnswerIsSpoiled(t *testing.T) {
	for _, data := range []string{"", "content"} {
		t.Run(fmt.Sprintf("of %q", data), func(t *testing.T) {
			t.Parallel()
			eachFault(t, []string{"PutBlob"}, func(t *testing.T, f *fault) {
				files := blob.OpenFiles(t, &blob.Client{Policies: []policy.Policy{f}}, account(t), newContainer())
				err := files.Create(t.Context(), "log/1", []byte(data))
				require.True(t, f.hasStruck())
				if err == nil || errors.Is(err, core.ErrConflict) {
					require.True(t, err == nil || f.sent && data == "", "got %v", err)
				} else {
					require.ErrorIs(t, err, core.ErrUnavailable)
					require.False(t, f.sent)
					require.NoError(t, files.Create(t.Context(), "log/1", []byte(data)))
				}
				p := make([]byte, 10)
				n, err := files.ReadAt(t.Context(), "log/1", p, 0)
				require.Equal(t, io.EOF, err)
				require.Equal(t, data, string(p[:n]))
			})
		})
	}
}

// A log whose storage fails in every way at every operation loses nothing that it said it
// kept, and keeps nothing twice.
func TestLogOfSpoiledAnswers(t *testing.T) {
	eachFault(t, []string{"AppendBlock", "PutBlob", "GetBlob", "ListBlobs"}, func(t *testing.T, f *fault) {
		topic := core.TopicConfig{Name: "orders", Adapter: "blob", Options: map[string]string{"container": newContainer()}}
		config := blob.Config{Client: new(blob.Client), Account: account(t), Segment: segment.Options{SegmentSize: 1000, Manual: true}}
		clean := openLog(t, config, topic)
		acknowledged := []string{}
		for i := range 2 { // the second in a segment of its own, so that there is something to list
			for _, e := range coretest.Append(t, clean, coretest.Samples(3*i, 3)...) {
				acknowledged = append(acknowledged, e.ID)
			}
		}
		config.Client = &blob.Client{Policies: []policy.Policy{f}}
		f.skip = map[string]int{"AppendBlock": 1}[f.operation]
		p := &publisher{topics: blob.NewTopics(config), topic: topic}
		for i := range 4 {
			p.publish(t, coretest.Sample(6+i))
			acknowledged = append(acknowledged, coretest.Sample(6+i).ID)
		}
		require.True(t, f.hasStruck())
		requireOnce(t, clean, acknowledged)
	})
}

// publisher appends as core/commands does, opening the log anew after a failure.
type publisher struct {
	topics *blob.Topics
	topic  core.TopicConfig
	log    core.Log
}

// publish appends an event until it is known to be kept.
func (p *publisher) publish(t *testing.T, event core.Event) {
	t.Helper()
	for range 10 {
		err := p.try(t, event)
		if err == nil {
			return
		}
		p.log = nil
		for _, final := range []error{core.ErrCorrupt, core.ErrRejected, core.ErrForeign} {
			require.NotErrorIs(t, err, final)
		}
	}
	t.Fatalf("%s could not be published", event.ID)
}

func (p *publisher) try(t *testing.T, event core.Event) (err error) {
	if p.log == nil {
		topic, err := p.topics.Complete(p.topic)
		require.NoError(t, err)
		if p.log, _, err = p.topics.Open(t.Context(), topic, ""); err != nil {
			return err
		}
	}
	return tryPublish(t.Context(), p.log, event)
}

func tryPublish(ctx context.Context, log core.Log, event core.Event) error {
	found, err := log.Find(ctx, []string{event.ID})
	if err != nil || len(found) > 0 {
		return err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	sealed, _ := core.Seal(head, coretest.Start, []core.Event{event})
	return log.Append(ctx, head, sealed)
}

// requireOnce reads the whole log: these ids in their order, once, chained.
func requireOnce(t *testing.T, log core.Log, want []string) {
	t.Helper()
	chain, got := core.NewChain(core.Hash{}), []string{}
	for e, err := range log.Read(t.Context(), core.Query{}) {
		require.NoError(t, err)
		require.NoError(t, chain.NextEvent(&e))
		got = append(got, e.ID)
	}
	require.Equal(t, want, got)
}

// A document that is counted up while its storage fails in every way: what was acknowledged
// is in it, once.
func TestDocumentOfSpoiledAnswers(t *testing.T) {
	eachFault(t, []string{"PutBlob", "GetBlob"}, func(t *testing.T, f *fault) {
		d := documents(t, newContainer(), f)
		f.skip = 2
		want := ""
		for i := range 5 {
			word := fmt.Sprintf("word-%d\n", i)
			addWord(t, d, word)
			want += word
		}
		require.True(t, f.hasStruck())
		got, err := d.Get(t.Context(), "c", "k")
		require.NoError(t, err)
		require.Equal(t, want, string(got.Value))
	})
}

// addWord appends a word to the document, as the port's errors allow.
func addWord(t *testing.T, d core.Documents, word string) {
	t.Helper()
	for range 10 {
		was, err := d.Get(t.Context(), "c", "k")
		if err != nil && !errors.Is(err, core.ErrNotFound) {
			require.ErrorIs(t, err, core.ErrUnavailable)
			continue
		}
		got, err := d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: append(was.Value, word...), Expect: was.Version})
		if err == nil {
			require.NotEmpty(t, got[0])
			return
		}
		require.Equal(t, []string{""}, got)
		require.True(t, errors.Is(err, core.ErrConflict) || errors.Is(err, core.ErrUnavailable), "got %v", err)
	}
	t.Fatalf("%s could not be added", word)
}

func TestDeletionWhoseAnswerIsSpoiled(t *testing.T) {
	eachFault(t, []string{"DeleteBlob"}, func(t *testing.T, f *fault) {
		d := documents(t, newContainer(), f)
		versions, err := d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("v")})
		require.NoError(t, err)
		_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Expect: versions[0]})
		require.True(t, f.hasStruck())
		_, readErr := d.Get(t.Context(), "c", "k")
		if err == nil || f.sent {
			require.ErrorIs(t, readErr, core.ErrNotFound)
			require.True(t, err == nil || errors.Is(err, core.ErrConflict), "got %v", err)
			return
		}
		require.ErrorIs(t, err, core.ErrUnavailable)
		require.NoError(t, readErr)
	})
}

// A list goes on, or fails; it never leaves a document out.
func TestListOfSpoiledAnswers(t *testing.T) {
	eachFault(t, []string{"ListBlobs", "GetBlob"}, func(t *testing.T, f *fault) {
		in := newContainer()
		for i := range 3 {
			_, err := documents(t, in).Write(t.Context(), core.Write{Collection: "c", Key: fmt.Sprint(i), Value: []byte("v")})
			require.NoError(t, err)
		}
		n, failed := 0, error(nil)
		for _, err := range documents(t, in, f).List(t.Context(), "c", core.ListQuery{}) {
			if failed = err; err == nil {
				n++
			}
		}
		require.True(t, f.hasStruck())
		require.True(t, failed == nil && n == 3 || errors.Is(failed, core.ErrUnavailable), "%d documents, %v", n, failed)
	})
}

// truncating cuts the first answers to GetBlob off in the middle.
type truncating struct {
	mu   sync.Mutex
	left int // guarded by mu
}

func (c *truncating) Do(req *policy.Request) (*http.Response, error) {
	answer, err := req.Next()
	if err != nil || blob.OperationOf(req.Raw()) != "GetBlob" || answer.StatusCode >= 300 {
		return answer, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left >= 0 {
		all, _ := io.ReadAll(answer.Body)
		answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(all[:len(all)/2]), brokenReader{}))
	}
	return answer, nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAnswersThatAreCutOffAreReadOn(t *testing.T) {
	t.Parallel()
	in := newContainer()
	require.NoError(t, blob.OpenFiles(t, new(blob.Client), account(t), in).Create(t.Context(), "a", []byte("0123456789")))
	files := blob.OpenFiles(t, &blob.Client{Policies: []policy.Policy{&truncating{left: 2}}}, account(t), in)
	p := make([]byte, 12)
	n, err := files.ReadAt(t.Context(), "a", p, 0)
	require.Equal(t, io.EOF, err)
	require.Equal(t, "0123456789", string(p[:n]))
	d := documents(t, in, &truncating{left: 2})
	_, err = d.Write(t.Context(), core.Write{Collection: "c", Key: "k", Value: []byte("value")})
	require.NoError(t, err)
	got, err := d.Get(t.Context(), "c", "k")
	require.NoError(t, err)
	require.Equal(t, "value", string(got.Value))
	_, err = documents(t, in, &truncating{left: 1000}).Get(t.Context(), "c", "k")
	require.ErrorIs(t, err, core.ErrUnavailable)
}

// beyond answers a read that begins at a blob's end as Azure does, where Azurite gives an empty 206.
type beyond struct{ seen int }

func (b *beyond) Do(req *policy.Request) (*http.Response, error) {
	answer, err := req.Next()
	if err == nil && answer.StatusCode == http.StatusPartialContent && answer.ContentLength == 0 {
		b.seen++
		answer.Body.Close()
		return &http.Response{StatusCode: 416, Request: req.Raw(), Body: io.NopCloser(strings.NewReader("")),
			Header: http.Header{"X-Ms-Error-Code": {"InvalidRange"}}}, nil
	}
	return answer, err
}

func TestReadBehindTheEndAsAzureAnswersIt(t *testing.T) {
	t.Parallel()
	policy416 := &beyond{}
	files := blob.OpenFiles(t, &blob.Client{Policies: []policy.Policy{policy416}}, account(t), newContainer())
	require.NoError(t, files.Create(t.Context(), "a", nil))
	for at, data := range []string{"x", "y"} {
		n, err := files.ReadAt(t.Context(), "a", make([]byte, 5), int64(at))
		require.Zero(t, n)
		require.Equal(t, io.EOF, err)
		require.NoError(t, files.Append(t.Context(), "a", int64(at), []byte(data)))
	}
	require.NotZero(t, policy416.seen)
}
