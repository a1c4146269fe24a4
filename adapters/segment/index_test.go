package segment_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

// indexed is a log of many segments with its indexes, and its lines.
func indexed(t *testing.T) (*segmenttest.Memory, []string) {
	t.Helper()
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{SegmentSize: 2500, Manual: true, Log: quiet})
	var lines []string
	for range 18 {
		lines = append(lines, requests(t, log, 3, 4)...)
		require.NoError(t, log.Maintain(t.Context()))
	}
	return files, lines
}

func indexFiles(files *segmenttest.Memory) []string {
	return slices.DeleteFunc(files.Names(), func(n string) bool { return !strings.HasPrefix(n, segment.Derived) })
}

// requireAnswers holds what a log says against its lines.
func requireAnswers(t *testing.T, files segment.Files, lines []string, what string) {
	t.Helper()
	log := open(t, files, segment.Options{Log: quiet, ReadSize: 5000, Manual: true})
	for range 2 { // before and after the indexes were built anew
		ids, want := []string{"absent", "id-99999"}, map[string]core.Position{}
		for i := 0; i < len(lines); i += 13 {
			ids = append(ids, fmt.Sprintf("id-%d", i))
			want[fmt.Sprintf("id-%d", i)] = core.Position(i + 1)
		}
		found, err := log.Find(t.Context(), ids)
		require.NoError(t, err, what)
		require.Equal(t, want, found, what)
		filter := core.Filter{{Subjects: []string{"order-3"}, Types: []string{"OrderPlaced"}}}
		selected := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
			return !strings.Contains(line, `"order-3"`) || !strings.Contains(line, `"OrderPlaced"`)
		})
		require.Equal(t, selected, coretest.Lines(t, log, core.Query{Filter: filter}), what)
		require.Equal(t, lines[len(lines)/2], coretest.Lines(t, log, core.Query{From: core.Position(len(lines)/2 + 1), Limit: 1})[0], what)
		require.NoError(t, log.Maintain(t.Context()), what)
	}
	require.NoError(t, log.Close())
}

func TestNothingRestsOnAnIndex(t *testing.T) {
	t.Parallel()
	files, lines := indexed(t)
	requireAnswers(t, files.Copy(), lines, "as it is")
	for _, index := range indexFiles(files) {
		data := files.File(index)
		change := func(what string, changed []byte) {
			damaged := files.Copy()
			damaged.SetFile(index, changed)
			requireAnswers(t, damaged, lines, fmt.Sprintf("%s of %s", what, index))
		}
		change("deletion", nil)
		change("emptying", []byte{})
		change("cutting", data[:len(data)/2])
		change("adding to", append(bytes.Clone(data), "more"...))
		for at := 0; at < len(data); at += 1 + len(data)/12 {
			flipped := bytes.Clone(data)
			flipped[at] ^= 0x10
			change(fmt.Sprintf("flipping byte %d", at), flipped)
		}
		for _, other := range indexFiles(files) {
			change("replacing by "+other+" ", files.File(other))
		}
	}
	gone := files.Copy()
	for _, index := range indexFiles(files) {
		gone.SetFile(index, nil)
	}
	requireAnswers(t, gone, lines, "deleting all")
	require.Contains(t, gone.Names(), "index/manifest", "it is built anew")
}

// A manifest that is behind the log, before it, or another log's is not gone by.
func TestAStaleIndexIsNotGoneBy(t *testing.T) {
	t.Parallel()
	files, lines := indexed(t)
	behind := files.Copy()
	log := open(t, behind, segment.Options{SegmentSize: 2500, Manual: true, Log: quiet})
	lines = append(lines, requests(t, log, 3, 3, 3, 3, 3, 3, 3, 3)...)
	requireAnswers(t, behind.Copy(), lines, "a manifest behind the log")

	require.NoError(t, log.Maintain(t.Context()))
	restored := files.Copy() // the log of an older day, with today's indexes
	for _, index := range indexFiles(behind) {
		restored.SetFile(index, behind.File(index))
	}
	requireAnswers(t, restored, lines[:126], "a manifest before the log")

	other, _ := indexed(t)
	for _, index := range indexFiles(other) {
		behind.SetFile(index, other.File(index))
	}
	requireAnswers(t, behind, lines, "another log's indexes")
}

// After a checkpoint an opening reads on from there; what lies before is read when it is asked for.
func TestACheckpointShortensAnOpening(t *testing.T) {
	t.Parallel()
	files := segmenttest.NewMemory()
	options := segment.Options{Log: quiet, ReadSize: 5000, Manual: true, SegmentSize: 1 << 20}
	log := open(t, files, options)
	lines := requests(t, log, 500, 400)
	require.NoError(t, log.Maintain(t.Context()))
	lines = append(lines, requests(t, log, 3, 2)...)
	files.Calls()
	before := files.BytesRead()
	cold := open(t, files, options)
	require.Equal(t, map[string]int{"ReadAt": 3}, files.Calls())
	require.Less(t, files.BytesRead()-before, int64(100_000), "of %d bytes", len(text(lines)))
	lines = append(lines, requests(t, cold, 2)...)
	require.Equal(t, lines, coretest.Lines(t, cold, core.Query{}))
	found, err := cold.Find(t.Context(), []string{"id-1", "id-903", "absent"})
	require.NoError(t, err)
	require.Equal(t, map[string]core.Position{"id-1": 2, "id-903": 904}, found)
	selected := coretest.Lines(t, open(t, files, options), core.Query{Filter: core.Filter{{Subjects: []string{"order-3"}}}})
	require.Equal(t, strings.Count(text(lines), `"subject":"order-3"`), len(selected))

	full := files.File(firstSegment)
	for cut, whole := range map[int][]string{
		len(full) - 1:               lines[:905], // behind the checkpoint
		len(text(lines[:900])) - 1:  lines[:500], // before it, which it does not survive
		len(text(lines[:450])) - 10: {},
	} {
		torn := files.Copy()
		torn.SetFile(firstSegment, full[:cut])
		got := coretest.Lines(t, open(t, torn, options), core.Query{})
		require.True(t, slices.Equal(whole, got), "cut at %d of %d: %d events, not %d", cut, len(full), len(got), len(whole))
	}
	flipped := bytes.Clone(full)
	flipped[len(text(lines[:300]))+50] ^= 1
	files.SetFile(firstSegment, flipped)
	_, err = open(t, files, options).Find(t.Context(), []string{"absent"})
	require.ErrorIs(t, err, core.ErrCorrupt, "what lies before the checkpoint is checked when it is read")
}

// listed are files that note from where on they were listed.
type listed struct {
	*segmenttest.Memory
	from []string
}

func (l *listed) List(ctx context.Context, prefix, from string) iter.Seq2[segment.FileInfo, error] {
	l.from = append(l.from, from)
	return l.Memory.List(ctx, prefix, from)
}

// However long a log is, an opening lists only what was closed after the manifest was written, as a process
// that was killed leaves it.
func TestAnOpeningListsOnlyWhatTheManifestDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after []int // the requests before and after the manifest is written; each fills a segment
		uncreated     bool  // the process died before it made the segment that it had announced
	}{
		"one segment was closed since":                {[]int{5, 5, 5, 5, 2}, []int{5, 4}, false},
		"several were":                                {[]int{5, 5, 5, 5, 2}, []int{5, 5, 5, 5, 1}, false},
		"the open one had a checkpoint":               {[]int{5, 5, 3, 1}, []int{1, 1, 5, 2}, false},
		"there was no closed one":                     {[]int{2}, []int{5, 5, 2}, false},
		"the segment that was announced was not made": {[]int{5, 5, 2}, []int{5, 4}, true},
		"of several the last was not made":            {[]int{5, 5, 2}, []int{5, 5, 4}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := &listed{Memory: segmenttest.NewMemory()}
			options := segment.Options{SegmentSize: 1500, ReadSize: 1000, Manual: true, Log: quiet}
			log := open(t, files, options)
			lines := requests(t, log, tt.before...)
			require.NoError(t, log.Maintain(t.Context()))
			ends := segmentNames(files.Memory)
			lines = append(lines, requests(t, log, tt.after...)...)
			now := segmentNames(files.Memory)
			require.Greater(t, len(now), len(ends))
			if tt.uncreated {
				last := now[len(now)-1]
				lines = lines[:len(lines)-strings.Count(string(files.File(last)), "\n")]
				files.SetFile(last, nil)
			}
			files.from = nil
			reopened := open(t, files, options)
			require.Equal(t, []string{now[len(ends)]}, files.from)
			require.Equal(t, lines, coretest.Lines(t, reopened, core.Query{}))
			lines = append(lines, requests(t, reopened, 5, 5)...)
			require.NoError(t, reopened.Maintain(t.Context()))
			require.Equal(t, lines, coretest.Lines(t, open(t, files, options), core.Query{}))
			found, err := reopened.Find(t.Context(), []string{"id-0", fmt.Sprintf("id-%d", len(lines)-1)})
			require.NoError(t, err)
			require.Equal(t, map[string]core.Position{"id-0": 1, fmt.Sprintf("id-%d", len(lines)-1): core.Position(len(lines))}, found)
		})
	}
}

func segmentNames(files *segmenttest.Memory) []string {
	return slices.DeleteFunc(files.Names(), func(name string) bool { return !strings.HasPrefix(name, "log/") })
}

// With indexes a log is searched without reading it, and what merges replaced is removed.
func TestAnIndexedLogIsSearchedWithoutReadingIt(t *testing.T) {
	t.Parallel()
	files, lines := indexed(t)
	require.LessOrEqual(t, len(indexFiles(files)), 1+2+9, "a manifest, a run of each level, and what the last merge replaced")
	log := open(t, files, segment.Options{Log: quiet, ReadSize: 5000, Manual: true})
	before := files.BytesRead()
	found, err := log.Find(t.Context(), []string{"absent", "id-7"})
	require.NoError(t, err)
	require.Equal(t, map[string]core.Position{"id-7": 8}, found)
	none := core.Filter{{Subjects: []string{"nobody"}}, {Types: []string{"OrderPlaced"}, Tags: []string{"never"}}}
	require.Empty(t, coretest.Lines(t, log, core.Query{Filter: none}))
	require.Less(t, files.BytesRead()-before, int64(len(text(lines))), "less than the log was read")
}

// A handle whose runs another process has merged and removed takes the new ones.
func TestAHandleFollowsWhatAnotherProcessMerges(t *testing.T) {
	t.Parallel()
	files, lines := indexed(t)
	options := segment.Options{SegmentSize: 2500, Manual: true, Log: quiet}
	old, merging := open(t, files, options), open(t, files, options)
	for range 20 {
		lines = append(lines, requests(t, merging, 3, 4)...)
		require.NoError(t, merging.Maintain(t.Context()))
	}
	files.Calls()
	_, err := old.Find(t.Context(), []string{"absent"})
	require.NoError(t, err)
	files.Calls()
	before := files.BytesRead()
	found, err := old.Find(t.Context(), []string{"absent", "id-3"})
	require.NoError(t, err)
	require.Equal(t, map[string]core.Position{"id-3": 4}, found)
	require.Less(t, files.BytesRead()-before, int64(len(text(lines))/2), "it does not read the log instead")
}

// A look-up in 10 million events, cold: an index of them is built without them, and the open segment
// is the only one that is there.
func TestALookUpInTenMillionEventsCostsAFewCalls(t *testing.T) {
	t.Parallel()
	const segments, each = 230, 150 // in place of 10 million: the runs are the same, and shorter
	files := segmenttest.NewMemory()
	log := open(t, files, segment.Options{Manual: true, Log: quiet})
	head := core.Head{Recorded: coretest.Start}
	require.NoError(t, segment.BuildIndex(t.Context(), files, log.ID(), func(yield func(segment.Indexed) bool) {
		for range segments {
			first := head.Position + 1
			sealed, end := core.Seal(head, coretest.Start, coretest.Samples(int(head.Position), each))
			head = end
			if !yield(segment.Indexed{First: first, Size: 16 << 20, Head: head, Lines: spread(sealed)}) {
				return
			}
		}
	}))
	files.SetFile(firstSegment, nil)
	sealed, _ := core.Seal(head, coretest.Start, coretest.Samples(int(head.Position), 5))
	files.SetFile(name(int(head.Position)+1), []byte(text(linesOf(sealed))))
	files.Calls()
	cold := open(t, files, segment.Options{Manual: true, Log: quiet})
	require.Equal(t, map[string]int{"ReadAt": 3}, files.Calls())
	found, err := cold.Find(t.Context(), []string{"absent", fmt.Sprintf("id-%d", head.Position+2)})
	require.NoError(t, err)
	require.Equal(t, map[string]core.Position{fmt.Sprintf("id-%d", head.Position+2): head.Position + 3}, found)
	require.LessOrEqual(t, files.Calls()["ReadAt"], 1+1+3, "whether there is anything new, the line that was found, and a page of each of three runs")
	require.Empty(t, coretest.Lines(t, cold, core.Query{To: head.Position, Filter: core.Filter{{Subjects: []string{"nobody"}}}}))
	require.LessOrEqual(t, files.Calls()["ReadAt"], 1+3+1)
}

func linesOf(events []core.Event) (lines []string) {
	for i := range events {
		lines = append(lines, events[i].Line())
	}
	return lines
}

// spread lays events out over 16 MiB.
func spread(events []core.Event) func(yield func(int64, []byte) bool) {
	return func(yield func(int64, []byte) bool) {
		for i := range events {
			if !yield(int64(i)*(16<<20)/int64(len(events)), []byte(events[i].Line())) {
				return
			}
		}
	}
}
