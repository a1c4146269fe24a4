package subscribers

import (
	"context"

	"eventstore/core"
)

// ExpireLeases does to all leases what waiting would.
func ExpireLeases(ctx context.Context, documents core.Documents) {
	for document, err := range documents.List(ctx, states, core.ListQuery{}) {
		st := new(state)
		if err != nil || decode(states, document, st) != nil || st.Holder == "" {
			continue
		}
		st.Until = st.Until.Add(-2 * leaseTime)
		if w, err := put(states, document.Key, document.Version, st); err == nil {
			_, _ = documents.Write(ctx, w)
		}
	}
}
