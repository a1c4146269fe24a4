package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/projections"
)

// What nobody needs is deleted in the end, and nothing else.
func TestGarbageIsCollected(t *testing.T) {
	t.Parallel()
	s, p := folded(t, 100)
	for range 3 {
		_, err := p.Rebuild(t.Context(), "tally")
		require.NoError(t, err)
		rebuilt(t, p, "tally")
	}
	require.NoError(t, p.Rebuilds(t.Context()))
	for version, kept := range map[int]bool{1: false, 2: false, 3: true, 4: true} {
		n := 0
		for _, err := range s.documents.List(t.Context(), fmt.Sprintf("projections/tally/%d", version), core.ListQuery{}) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, kept, n > 0, "version %d has %d documents", version, n)
	}
	require.NoError(t, p.Delete(t.Context(), "tally"))
	require.NoError(t, p.Rebuilds(t.Context()))
	for _, collection := range []string{"projections/tally/3", "projections/tally/4", "projection-definitions", "projection-leases"} {
		for d, err := range s.documents.List(t.Context(), collection, core.ListQuery{}) {
			t.Errorf("%s of %s is left (%v)", d.Key, collection, err)
		}
	}
}

// A rebuild whose handler does not give the same for the same does not go live.
func TestARebuildThatDoesNotVerifyStaysAway(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"keys that are subjects": "", "keys that are not": "k/"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, "orders")
			runs := 0
			moody := projections.Typed("moody", nil,
				func(e *core.Event) ([]string, error) { return []string{key + e.Subject}, nil },
				func(doc *tally, e *core.Event) (*tally, error) { runs++; return &tally{N: runs}, nil })
			p := s.instance(func(c *projections.Config) { c.Handlers = []projections.Handler{moody}; c.Workers = 1 })
			s.append("orders", event(1, "Add", 1, "a"), event(2, "Add", 1, "b"))
			put(t, p, "moody", projections.Definition{Topics: []string{"orders"}, Handler: "moody"})
			caughtUp(t, p, "moody")
			_, err := p.Rebuild(t.Context(), "moody")
			require.NoError(t, err)
			for range 5 {
				_ = p.Rebuilds(t.Context())
			}
			status, err := p.Status(t.Context(), "moody")
			require.NoError(t, err)
			require.Equal(t, 1, status.Version)
			require.Equal(t, 2, status.Rebuild.Version)
			require.NotNil(t, status.LastError)
			require.Contains(t, status.LastError.Message, "verifying version 2")
			require.Equal(t, 2, status.LastError.Version)
		})
	}
}

// Keys that are no subjects make the verification fold the whole log, in slices, each of which may be killed.
func TestAVerificationOverTheWholeLogGoesOnWhereItWasKilled(t *testing.T) {
	t.Parallel()
	s := newStore(t, "orders")
	p := s.instance()
	s.append("orders", sequence(0, 2000)...) // with the key "all", which is no subject
	put(t, p, "tally", tallied("orders"))
	caughtUp(t, p, "tally")
	flaky := &coretest.FlakyDocuments{Documents: s.documents, Script: now(0.05)}
	failing := (&store{t: t, registry: s.registry, documents: flaky}).instance(func(c *projections.Config) { c.SliceTime = time.Microsecond; c.PassTime = time.Second })
	_, err := p.Rebuild(t.Context(), "tally")
	require.NoError(t, err)
	for {
		_ = failing.Rebuilds(t.Context())
		status, err := p.Status(t.Context(), "tally")
		require.NoError(t, err)
		if status.Rebuild == nil {
			break
		}
	}
	require.Equal(t, s.model("orders"), s.all(p, "tally"))
}
