package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

const firstSegment = "log/00000000000000000001.ndjson"

func name(first int) string { return fmt.Sprintf("log/%020d.ndjson", first) }

// requests appends requests of these sizes, and returns the lines.
func requests(t *testing.T, log core.Log, sizes ...int) (lines []string) {
	t.Helper()
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	from := int(head.Position)
	for _, n := range sizes {
		for _, e := range coretest.Append(t, log, coretest.Samples(from, n)...) {
			lines = append(lines, e.Line())
		}
		from += n
	}
	return lines
}

// short is requests of short events, for what is done at every byte.
func short(t *testing.T, log core.Log, sizes ...int) (lines []string) {
	t.Helper()
	for i, n := range sizes {
		events := make([]core.Event, n)
		for j := range events {
			events[j] = core.Event{ID: fmt.Sprint(i, "-", j), Type: "T", Data: "1", More: j < n-1}
		}
		for _, e := range coretest.Append(t, log, events...) {
			lines = append(lines, e.Line())
		}
	}
	return lines
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// A log that was cut at any byte opens by itself, with the whole requests before the cut, keeps
// what it cuts, and goes on; through a handle that was open all the while, too.
func TestATailTornAtAnyByteIsCutBehindTheLastWholeRequest(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{})
	before := short(t, log, 1, 2)
	kept := len(text(before))
	lines := append(slices.Clone(before), short(t, log, 3, 1)...)
	whole := []int{3, 6, 7} // how many lines are whole requests
	options := segment.Options{Log: slog.New(slog.DiscardHandler), ReadSize: 1000}
	for cut := kept; cut <= len(text(lines)); cut++ {
		torn := files.Copy()
		torn.SetFile(firstSegment, files.File(firstSegment)[:kept])
		warm := open(t, torn, options)
		torn.SetFile(firstSegment, files.File(firstSegment)[:cut])
		want := before
		for _, n := range whole {
			if len(text(lines[:n])) <= cut {
				want = lines[:n]
			}
		}
		for _, handle := range []*segment.Log{open(t, torn, options), warm} {
			require.Equal(t, want, coretest.Lines(t, handle, core.Query{}), "cut at %d", cut)
		}
		require.Equal(t, text(want), string(torn.File(firstSegment)))
		if end := len(text(want)); end < cut {
			require.Equal(t, string(files.File(firstSegment)[end:cut]), string(torn.File(fmt.Sprintf("%s.cut-%d", firstSegment, end))))
		}
		want = append(slices.Clone(want), short(t, warm, 2)...)
		require.Equal(t, want, coretest.Lines(t, open(t, torn, options), core.Query{}))
	}
}

// A power cut may leave a file as long as an append made it, with zeros where its data did not come to: wherever they begin, be it at
// the newline of a line that is whole, they are cut with what they belong to.
func TestATailThatEndsInZerosIsCutWhereverTheyBegin(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{})
	before := short(t, log, 1)
	kept := len(text(before))
	short(t, log, 2)
	all := files.File(firstSegment)
	for data := kept; data < len(all); data++ {
		torn := files.Copy()
		torn.SetFile(firstSegment, append(slices.Clone(all[:data]), make([]byte, len(all)-data)...))
		reopened := open(t, torn, segment.Options{Log: slog.New(slog.DiscardHandler)})
		require.Equal(t, before, coretest.Lines(t, reopened, core.Query{}), "zeros from %d on", data)
		require.Len(t, torn.File(firstSegment), kept)
		requests(t, reopened, 1)
	}
}

func TestAClosingLineTornAtAnyByteIsCut(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{})
	lines := requests(t, log, 2)
	end := len(text(lines))
	for _, closing := range []string{`{"closed":true,"next":3}`, `{"closed":true}`} {
		for cut := range len(closing) + 1 {
			torn := files.Copy()
			torn.SetFile(firstSegment, append(files.File(firstSegment), closing[:cut]...))
			reopened := open(t, torn, segment.Options{Log: slog.New(slog.DiscardHandler)})
			require.Equal(t, lines, coretest.Lines(t, reopened, core.Query{}))
			require.Len(t, torn.File(firstSegment), end)
			requests(t, reopened, 1)
		}
	}
}

func TestWhatIsCutTwiceAtOnePlaceIsKeptTwice(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	lines := requests(t, open(t, files, segment.Options{}), 1)
	end := len(lines[0]) + 1
	for _, torn := range []string{`{"position":2,"id":"a`, `{"position":2,"id":"b`, `{"position":2,"id":"a`, `{"pos` + strings.Repeat("\x00", 500)} {
		files.SetFile(firstSegment, append(files.File(firstSegment), torn...))
		open(t, files, segment.Options{})
		require.Len(t, files.File(firstSegment), end)
	}
	cut := fmt.Sprintf("%s.cut-%d", firstSegment, end)
	require.Equal(t, []string{"log.json", firstSegment, cut, cut + "-2", cut + "-3"}, files.Names())
	require.Equal(t, `{"position":2,"id":"b`, string(files.File(cut+"-2")))
}

// What can't be the beginning of an append stays where it is, and is told with its place.
func TestATailThatNoAppendLeftIsCorruption(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	lines := requests(t, open(t, files, segment.Options{}), 1)
	for _, tail := range []string{"x", "\n", "{", `{"position":3,"id":"`, `{"position":2,"id":"a` + "\x01", "\x00\x00x", "{}\n", `{"closed":true,"next":3}` + "\n",
		`{"closed":true}` + "\nx", `{"closed":true,"next":2}` + "\n" + lines[0], lines[0], `{"closed":true}` + "x"} {
		bad := files.Copy()
		bad.SetFile(firstSegment, append(files.File(firstSegment), tail...))
		_, err := segment.Open(t.Context(), bad, segment.Options{})
		if tail == "{" {
			require.NoError(t, err, "%q may be an event's beginning", tail)
			continue
		}
		require.ErrorIs(t, err, core.ErrCorrupt, "%q", tail)
		require.ErrorContains(t, err, firstSegment)
		require.Equal(t, text(lines)+tail, string(bad.File(firstSegment)), "%q is not cut", tail)
	}
}

// uncuttable are files whose appends are never torn, as a blob's.
type uncuttable struct{ segment.Files }

func TestATornTailIsCorruptionWhereAppendsAreNeverTorn(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	requests(t, open(t, files, segment.Options{}), 1)
	files.SetFile(firstSegment, append(files.File(firstSegment), `{"position":2,"id":"a`...))
	_, err := segment.Open(t.Context(), uncuttable{files}, segment.Options{})
	require.ErrorIs(t, err, core.ErrCorrupt)
}

// Whichever bit of a log is flipped, nothing wrong is served, and whoever reads it all is told.
func TestEveryFlippedBitIsFoundWhenItIsRead(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{SegmentSize: 500, Manual: true})
	lines := short(t, log, 1, 2, 1)
	head, err := log.Head(t.Context())
	require.NoError(t, err)
	segments := slices.DeleteFunc(files.Names(), func(n string) bool { return !strings.HasPrefix(n, "log/") })
	require.Len(t, segments, 3)
	for _, indexed := range []bool{false, true} {
		if indexed {
			require.NoError(t, log.Maintain(t.Context()))
		}
		for _, segmentName := range segments {
			data := files.File(segmentName)
			for bit := range 8 * len(data) {
				if stride := flipStride(indexed); bit%stride > 0 {
					continue
				}
				flipped := files.Copy()
				bad := bytes.Clone(data)
				bad[bit/8] ^= 1 << (bit % 8)
				flipped.SetFile(segmentName, bad)
				requireFound(t, flipped, lines, head, fmt.Sprintf("bit %d of byte %d of %s", bit%8, bit/8, segmentName))
				require.True(t, bytes.Equal(bad, flipped.File(segmentName)), "nothing is cut")
			}
		}
	}
}

// flipStride is how many bits apart the flipped ones are: in the long form, without indexes, each is one. Every
// bit of a line is flipped in package core's tests.
func flipStride(indexed bool) int {
	switch long := os.Getenv("EVENTSTORE_TEST_LONG") != ""; {
	case indexed:
		return 31
	case long:
		return 1
	}
	return 7
}

// requireFound reads a damaged log in both directions: what is served before the error is right.
func requireFound(t *testing.T, files segment.Files, lines []string, head core.Head, what string) {
	t.Helper()
	log, err := segment.Open(t.Context(), files, segment.Options{Manual: true, ReadSize: 1000})
	if err != nil {
		require.ErrorIs(t, err, core.ErrCorrupt, what)
		return
	}
	got, err := log.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, got, what)
	for _, backward := range []bool{false, true} {
		want := slices.Clone(lines)
		if backward {
			slices.Reverse(want)
		}
		var corrupt *core.CorruptError
		n := 0
		for e, err := range log.Read(t.Context(), core.Query{Backward: backward}) {
			if err != nil {
				require.True(t, errors.As(err, &corrupt), "%s: got %v", what, err)
				require.NotEmpty(t, corrupt.Place, what)
				break
			}
			require.Equal(t, want[n], e.Line(), what)
			n++
		}
		require.NotNil(t, corrupt, "%s is not found", what)
		requireFoundInLines(t, log, text(want), core.Query{Backward: backward}, what)
	}
}

// A line that is chained right and yet has another's position was never written by an append.
func TestAPositionThatIsOutOfPlaceIsFoundWhenItIsRead(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	id := open(t, files, segment.Options{Manual: true}).ID()
	head, stored := core.Head{}, []string{}
	for i, position := range []core.Position{1, 3, 3} {
		sealed, next := core.Seal(core.Head{Position: position - 1, Hash: head.Hash}, coretest.Start, coretest.Samples(i, 1))
		stored, head = append(stored, sealed[0].Line()), next
	}
	whole := text(append(stored, `{"closed":true,"next":4}`))
	files.SetFile(firstSegment, []byte(whole))
	require.NoError(t, files.Create(t.Context(), name(4), nil))
	nowhere := func(func(int64, []byte) bool) {}
	require.NoError(t, segment.BuildIndex(t.Context(), files, id, slices.Values([]segment.Indexed{{First: 1, Size: int64(len(whole)), Head: head, Lines: nowhere}})))
	log := open(t, files, segment.Options{Manual: true})
	for _, q := range []core.Query{{}, {Backward: true}} {
		var err error
		for _, err = range log.Read(t.Context(), q) {
		}
		require.ErrorIs(t, err, core.ErrCorrupt)
		for _, err = range log.ReadLines(t.Context(), q) {
		}
		require.ErrorContains(t, err, "position 3 stands where 2 must")
	}
}

// requireFoundInLines reads a damaged log's lines: what is served before the error is right.
func requireFoundInLines(t *testing.T, log *segment.Log, want string, q core.Query, what string) {
	t.Helper()
	var corrupt *core.CorruptError
	for piece, err := range log.ReadLines(t.Context(), q) {
		if err != nil {
			require.True(t, errors.As(err, &corrupt), "%s: got %v", what, err)
			break
		}
		require.True(t, strings.HasPrefix(want, string(piece)), "%s is served", what)
		want = want[len(piece):]
	}
	require.NotNil(t, corrupt, "%s is not found in the lines", what)
}

func TestALogThatIsAnotherIsForeign(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{})
	require.Equal(t, log.ID(), open(t, files, segment.Options{}).ID())
	require.Equal(t, log.ID(), open(t, files, segment.Options{ID: log.ID()}).ID())
	other := segmenttest.NewMemory()
	require.NotEqual(t, log.ID(), open(t, other, segment.Options{}).ID())
	_, err := segment.Open(t.Context(), other, segment.Options{ID: log.ID()})
	require.ErrorIs(t, err, core.ErrForeign)
	empty := segmenttest.NewMemory()
	_, err = segment.Open(t.Context(), empty, segment.Options{ID: log.ID()})
	require.ErrorIs(t, err, core.ErrForeign)
	require.Empty(t, empty.Names(), "nothing is made where a log is expected")
	files.SetFile("log.json", []byte("{}"))
	_, err = segment.Open(t.Context(), files, segment.Options{})
	require.ErrorIs(t, err, core.ErrCorrupt)
}

func TestMissingSegmentsAreCorruption(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{SegmentSize: 1, Manual: true})
	lines := requests(t, log, 1, 1, 1, 1, 1)
	for first := 1; first <= 4; first++ {
		gone := files.Copy()
		gone.SetFile(name(first), nil)
		reopened, err := segment.Open(t.Context(), gone, segment.Options{Manual: true})
		if err == nil {
			for e, readErr := range reopened.Read(t.Context(), core.Query{}) {
				if err = readErr; err == nil {
					require.Equal(t, lines[e.Position-1], e.Line())
				}
			}
		}
		require.ErrorIs(t, err, core.ErrCorrupt, "without segment %d", first)
	}
}
