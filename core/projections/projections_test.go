package projections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/projections"
)

func TestAProjectionIsThePlainFold(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]projections.Definition{"JavaScript": scripted("orders"), "Go": tallied("orders")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "orders")
			p := s.instance()
			s.append("orders", sequence(0, 100)...)
			put(t, p, "tally", d)
			require.NoError(t, p.Project(t.Context()))
			require.Equal(t, s.model("orders"), s.all(p, "tally"))
			s.append("orders", sequence(100, 150)...)
			require.NoError(t, p.Project(t.Context()))
			require.Equal(t, s.model("orders"), s.all(p, "tally"))
			status, err := p.Status(t.Context(), "tally")
			require.NoError(t, err)
			require.Equal(t, projections.Running, status.State)
			require.EqualValues(t, len(s.model("orders")), status.Documents)
			require.Equal(t, projections.TopicStatus{Position: 250, Head: 250}, status.Topics["orders"])
		})
	}
}

func TestReadersGetWhatTheyWrote(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance()
	put(t, p, "tally", tallied("orders"))
	for i := range 30 {
		s.append("orders", event(i, "Add", 1, "a"))
		d, err := p.Get(t.Context(), "tally", "a", projections.Fresh{At: projections.Positions{"": core.Position(i + 1)}})
		require.NoError(t, err)
		require.Contains(t, d.Value, `"n":`)
	}
}
