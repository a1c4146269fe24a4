package transfer_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/memory"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/transfer"
)

// filled is a log with requests of several sizes.
func filled(t *testing.T) *memory.Log {
	log := new(memory.Log)
	for i, n := range []int{1, 7, 3000, 1, 2500, 40} {
		coretest.Append(t, log, coretest.Samples(10_000*i, n)...)
	}
	return log
}

func requireSame(t *testing.T, from, to core.Log) {
	t.Helper()
	require.Equal(t, coretest.Lines(t, from, core.Query{}), coretest.Lines(t, to, core.Query{}))
	head, err := transfer.Check(t.Context(), to, nil)
	require.NoError(t, err)
	want, _ := from.Head(t.Context())
	require.Equal(t, want, head)
}

func TestACopyIsTheSameByteForByte(t *testing.T) {
	from, to, steps := filled(t), new(memory.Log), 0
	head, err := transfer.Copy(t.Context(), from, to, func(core.Head) { steps++ })
	require.NoError(t, err)
	require.Equal(t, core.Position(5549), head.Position)
	require.Equal(t, 2, steps, "a batch ends behind a whole request")
	requireSame(t, from, to)

	coretest.Append(t, from, coretest.Samples(90_000, 3)...)
	_, err = transfer.Copy(t.Context(), from, to, nil)
	require.NoError(t, err)
	requireSame(t, from, to)
}

func TestACopySurvivesEveryFault(t *testing.T) {
	for _, fault := range []coretest.Fault{coretest.FailBefore, coretest.FailAfter} {
		from, to := filled(t), new(memory.Log)
		_, err := transfer.Copy(t.Context(), from, &coretest.FlakyLog{Log: to, Script: coretest.Times(2, "Log.Append", fault)}, nil)
		require.NoError(t, err)
		requireSame(t, from, to)
	}
}

func TestACopyThatIsStoppedGoesOn(t *testing.T) {
	from, to := filled(t), new(memory.Log)
	random := rand.New(rand.NewPCG(1, 2))
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithCancel(t.Context())
		script := func(string) coretest.Fault {
			if random.IntN(3) == 0 {
				cancel()
			}
			return coretest.Fault(random.IntN(3))
		}
		_, err := transfer.Copy(ctx, from, &coretest.FlakyLog{Log: to, Script: script}, nil)
		cancel()
		if err == nil {
			break
		}
		require.Less(t, tries, 1000)
	}
	requireSame(t, from, to)
}

func TestAnotherHistoryIsRefused(t *testing.T) {
	from, to := filled(t), new(memory.Log)
	coretest.Append(t, to, coretest.Samples(500, 2)...)
	before := coretest.Lines(t, to, core.Query{})
	_, err := transfer.Copy(t.Context(), from, to, nil)
	var diverged *transfer.DivergedError
	require.ErrorAs(t, err, &diverged)
	require.Equal(t, core.Position(2), diverged.Position)
	_, err = transfer.Extend(t.Context(), to, from.Read(t.Context(), core.Query{}), nil)
	require.ErrorAs(t, err, &diverged)
	_, err = transfer.Copy(t.Context(), new(memory.Log), to, nil)
	require.ErrorAs(t, err, &diverged, "the target is longer than the source")
	require.Equal(t, before, coretest.Lines(t, to, core.Query{}))
}

func TestALogIsRestoredFromItsExport(t *testing.T) {
	from, to := filled(t), new(memory.Log)
	var file bytes.Buffer
	last, err := transfer.Export(t.Context(), from, 0, &file)
	require.NoError(t, err)
	require.Equal(t, core.Position(5549), last)
	text := file.String()
	half := strings.Join(strings.SplitAfter(text, "\n")[:3000], "")
	_, err = transfer.Extend(t.Context(), to, transfer.Lines(strings.NewReader(half)), nil)
	require.ErrorIs(t, err, core.ErrCorrupt)
	require.ErrorContains(t, err, "within a request; its last 2992 events are left out")
	head, err := to.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, core.Position(8), head.Position, "no part of a request is restored")
	_, err = transfer.Extend(t.Context(), to, transfer.Lines(strings.NewReader(text+`{"closed":true,"next":5550}`+"\n")), nil)
	require.NoError(t, err, "what is there is passed over")
	requireSame(t, from, to)
}

func TestADamagedExportIsRefusedAtItsPlace(t *testing.T) {
	from := filled(t)
	var file bytes.Buffer
	_, err := transfer.Export(t.Context(), from, 0, &file)
	require.NoError(t, err)
	lines := strings.SplitAfter(file.String(), "\n")
	for name, damaged := range map[string][]string{
		"a changed byte":  append(append([]string{}, lines[:5]...), strings.Replace(lines[5], "Order", "0rder", 1)),
		"a missing line":  append(append([]string{}, lines[:5]...), lines[6:]...),
		"no line at all":  append(append([]string{}, lines[:5]...), "nonsense\n"),
		"a cut last line": append(append([]string{}, lines[:5]...), lines[5][:40]),
	} {
		to := new(memory.Log)
		_, err := transfer.Extend(t.Context(), to, transfer.Lines(strings.NewReader(strings.Join(damaged, ""))), nil)
		require.ErrorIs(t, err, core.ErrCorrupt, name)
		head, err := transfer.Check(t.Context(), to, nil)
		require.NoError(t, err, name)
		require.Equal(t, core.Position(1), head.Position, "%s: whole requests alone are stored", name)
	}
}

func TestAnIDThatIsStoredTwiceIsFound(t *testing.T) {
	log := new(memory.Log)
	coretest.Append(t, log, coretest.Samples(0, 3)...)
	coretest.Append(t, log, coretest.Sample(1))
	_, err := transfer.Check(t.Context(), log, nil)
	require.ErrorIs(t, err, core.ErrCorrupt)
	require.ErrorContains(t, err, `"id-1"`)
}
