package segment_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/segment"
	"eventstore/adapters/segment/segmenttest"
	"eventstore/core"
	"eventstore/core/coretest"
)

// Whatever bytes a segment has: opening and reading it ends, what is served are lines that were in it and follow each other's
// hashes, and nothing but the end behind them is cut.
func FuzzSegment(f *testing.F) {
	sealed, _ := core.Seal(core.Head{}, coretest.Start, []core.Event{{ID: "a", Type: "T", Data: "1", More: true}, {ID: "b", Type: "T", Data: `"é"`}, {ID: "c", Type: "U", Subject: "s"}})
	var whole bytes.Buffer
	for i := range sealed {
		whole.WriteString(sealed[i].Line() + "\n")
	}
	for _, seed := range []string{"", "\n", "{", whole.String(), whole.String()[:whole.Len()-1], whole.String()[:whole.Len()/2], whole.String() + `{"closed":true}` + "\n",
		whole.String() + `{"closed":true,"next":4}` + "\n", whole.String() + "\x00\x00\x00", whole.String()[whole.Len()/3:]} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files := segmenttest.NewMemory()
		log := open(t, files, segment.Options{})
		require.NoError(t, log.Close())
		if err := files.Create(t.Context(), firstSegment, nil); err != nil {
			require.ErrorIs(t, err, core.ErrConflict)
		}
		files.SetFile(firstSegment, bytes.Clone(text))
		log, err := segment.Open(t.Context(), files, segment.Options{Manual: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			require.ErrorIs(t, err, core.ErrCorrupt)
			require.Equal(t, text, files.File(firstSegment), "what is corrupt is left as it is")
			return
		}
		chain := core.NewChain(core.Hash{})
		for e, err := range log.Read(t.Context(), core.Query{}) {
			if err != nil {
				require.ErrorIs(t, err, core.ErrCorrupt)
				break
			}
			require.NoError(t, chain.Next([]byte(e.Line())))
			require.Contains(t, string(text), e.Line()+"\n")
		}
		require.True(t, bytes.HasPrefix(text, files.File(firstSegment)) || bytes.HasPrefix(files.File(firstSegment), text))
	})
}
