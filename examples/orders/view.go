package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// The read models: a document for each order, and one for each customer. The store runs them.
//
//go:embed orders.js
var ordersView string

//go:embed customers.js
var customersView string

var errNoDocument = errors.New("there is no such document")

// defineViews registers the projections. When a source has changed, the store builds the new one beside the old.
func (s *shop) defineViews(ctx context.Context) error {
	for name, source := range map[string]string{"shop-orders": ordersView, "shop-customers": customersView} {
		definition := map[string]any{"topics": []string{"orders"}, "source": source}
		if err := s.store.call(ctx, "PUT", "/projections/"+name, definition, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *shop) showOrder(w http.ResponseWriter, r *http.Request) { s.document(w, r, "shop-orders") }
func (s *shop) showCustomer(w http.ResponseWriter, r *http.Request) {
	s.document(w, r, "shop-customers")
}

// document answers a document as its view has it; with ?position=, as what POST answered, it holds at least that.
func (s *shop) document(w http.ResponseWriter, r *http.Request, view string) {
	query := url.Values{"key": {r.PathValue("id")}}
	if position := r.URL.Query().Get("position"); position != "" {
		query.Set("at-least", position)
		query.Set("wait", "10")
	}
	var value json.RawMessage
	err := s.store.call(r.Context(), "GET", "/projections/"+view+"/documents?"+query.Encode(), nil, &value)
	switch {
	case errors.Is(err, errNoDocument):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(value, '\n'))
	}
}
