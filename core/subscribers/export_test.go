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

// StoredNext is how far the only subscription has come, as it is stored.
func StoredNext(ctx context.Context, documents core.Documents) core.Position {
	for document, err := range documents.List(ctx, states, core.ListQuery{}) {
		st := new(state)
		if err == nil && decode(states, document, st) == nil {
			return st.Next
		}
	}
	return 0
}

// DeliveryID is the id of a delivery of the events at these positions.
func DeliveryID(rewinds int, positions ...core.Position) string {
	events := make([]core.Event, len(positions))
	for i, p := range positions {
		events[i].Position = p
	}
	return deliveryID(&registration{ID: "abc", Life: "def"}, rewinds, events)
}
