package segment

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"eventstore/core"
)

// Options are how a log is kept. The zero Options are those of fs.
type Options struct {
	// ID is the identity that the log must have (core.ErrForeign otherwise). With "" the log
	// is created where it is absent, and has whatever identity it has.
	ID string
	// SegmentSize is how many bytes a segment has at most, unless one append alone has more;
	// 0 is 16 MiB.
	SegmentSize int64
	// MaxAppends is how many appends a segment takes; 0 is any number. (An append blob takes
	// 50,000 blocks.) Since a request is never split, the requests that a segment holds when it
	// is opened are at least the appends it took.
	MaxAppends int
	// ReadSize is how many bytes a long read asks for at once; 0 is 1 MiB.
	ReadSize int
	// OpenSize is how many bytes of the open segment an opening asks for at first; 0 is 4 ReadSize,
	// since a service takes money and time for each call. Files that are near should ask for less.
	OpenSize int
	// Manual says that indexes are built by Maintain alone, not in the background.
	Manual bool
	// Log is told what is repaired; nil is slog's default.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.SegmentSize == 0 {
		o.SegmentSize = 16 << 20
	}
	if o.ReadSize == 0 {
		o.ReadSize = 1 << 20
	}
	if o.OpenSize == 0 {
		o.OpenSize = 4 * o.ReadSize
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Log is a core.Log, a core.LineReader and a core.Closer over Files. It keeps the log's end in memory, and
// nothing that is not in the files.
type Log struct {
	files   Files
	options Options
	id      string
	keyer   keyer // of id

	// appending serialises the appends of this process. It is locked before mu.
	appending sync.Mutex

	mu      sync.Mutex
	closed  []part  // guarded by mu; the closed segments, in order, and only ever added to
	end     end     // guarded by mu
	recent  *recent // guarded by mu; what the open segment holds, up to end
	guessed bool    // guarded by mu; the end was taken from the manifest, and not yet confirmed
	loaded  bool    // guarded by mu; whether the end was found
	listed  bool    // guarded by mu; whether segments are as the files are, not as the manifest says
	buffer  []byte  // guarded by mu; see scratch

	written      bool  // guarded by mu; whether this process has appended anything
	checkpointed int64 // guarded by mu; up to where in the open segment a checkpoint was asked for

	runs      []*run          // guarded by mu; the indexes of the closed segments, without a gap
	bad       map[string]bool // guarded by mu; the ids of runs that were found damaged
	unindexed int             // guarded by mu; how many closed segments have no run
	scheduled bool            // guarded by mu; whether maintenance goes on in the background

	maintaining sync.Mutex // serialises Maintain. It is locked before mu
	background  context.Context
	stop        context.CancelFunc
	running     sync.WaitGroup
}

var (
	_ core.Log        = (*Log)(nil)
	_ core.LineReader = (*Log)(nil)
	_ core.Closer     = (*Log)(nil)
)

// end is where a log ends, as far as this process has read, checked or written it.
type end struct {
	segment core.Position // the first position of the open segment
	offset  int64         // how many bytes of the open segment are behind the end
	appends int           // how many appends these took at most
	head    core.Head
	shut    bool // closed for good
}

func (e end) name() string { return segmentName(e.segment) }

// closedSegment is what is kept of a closed segment where it is known, and dropped when it is not
// needed any more.
type closedSegment struct {
	hash   atomic.Pointer[core.Hash] // of its last event; nil when it is not known
	recent atomic.Pointer[recent]    // its index, if it was open in this process; nil once there is another
}

const (
	logDirectory  = "log/"
	segmentEnding = ".ndjson"
)

func segmentName(first core.Position) string {
	return fmt.Sprintf("%s%020d%s", logDirectory, first, segmentEnding)
}

// Open opens the log that files hold. One whose identity is not known yet is loaded at once; one that is
// known to be there is loaded when it is used first, so that who opens it and then asks for its head reads the end
// once. Where that was torn by an interrupted append it is cut behind the last whole request, and what
// was cut is kept beside.
func Open(ctx context.Context, files Files, options Options) (*Log, error) {
	l := &Log{files: files, options: options.withDefaults(), recent: new(recent), bad: map[string]bool{}}
	l.background, l.stop = context.WithCancel(context.Background())
	if err := l.identify(ctx); err != nil {
		return nil, err
	}
	if options.ID != "" {
		return l, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// ID is the log's identity: random, and kept with it.
func (l *Log) ID() string { return l.id }

const identityName = "log.json"

// identify reads the log's identity, or makes one.
func (l *Log) identify(ctx context.Context) error {
	id, err := l.readIdentity(ctx)
	if errors.Is(err, core.ErrNotFound) && l.options.ID == "" {
		id, err = l.createIdentity(ctx)
	}
	switch {
	case errors.Is(err, core.ErrNotFound):
		return fmt.Errorf("%w: there is none where log %s was", core.ErrForeign, l.options.ID)
	case err != nil:
		return fmt.Errorf("reading the log's identity: %w", err)
	case l.options.ID != "" && id != l.options.ID:
		return fmt.Errorf("%w: it is log %s, the topic was registered with %s", core.ErrForeign, id, l.options.ID)
	}
	l.id, l.keyer = id, newKeyer(id)
	return nil
}

const (
	identityOpen  = `{"id":"`
	identityClose = "\"}\n"
	identitySize  = 32
)

func (l *Log) readIdentity(ctx context.Context) (string, error) {
	p := make([]byte, len(identityOpen)+identitySize+len(identityClose)+1)
	n, err := l.files.ReadAt(ctx, identityName, p, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text := string(p[:n])
	if n != len(p)-1 || text[:len(identityOpen)] != identityOpen || text[n-len(identityClose):] != identityClose {
		return "", &core.CorruptError{Place: identityName, Reason: fmt.Sprintf("%q is not a log's identity", text)}
	}
	return text[len(identityOpen) : len(identityOpen)+identitySize], nil
}

func (l *Log) createIdentity(ctx context.Context) (string, error) {
	id := randomText(identitySize / 2)
	err := l.files.Create(ctx, identityName, []byte(identityOpen+id+identityClose))
	if errors.Is(err, core.ErrConflict) {
		return l.readIdentity(ctx)
	}
	return id, err
}

// randomText is that many random bytes in hex.
func randomText(size int) string {
	random := make([]byte, size)
	rand.Read(random) // never fails
	return hex.EncodeToString(random)
}

// Head reports the last durable event's position, hash and recorded time.
func (l *Log) Head(ctx context.Context) (core.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.update(ctx)
	return l.end.head, err
}

// Close stops what goes on in the background, waits for it, leaves a checkpoint where the next
// opening can begin, and lets go of the files, if they have to be. Nothing may be called after it.
func (l *Log) Close() error {
	l.stop()
	l.running.Wait()
	l.lastCheckpoint()
	if closer, ok := l.files.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}
