package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// shop decides about orders. It holds no state: what it must know it reads, and what it decides is published on the
// condition that nothing it did not know of has happened meanwhile. So any number of shops may run at once.
type shop struct{ store *client }

// open is how many orders a customer may have that are not shipped.
const open = 2

// refused is a decision against a request; it is the customer's to hear.
type refused string

func (r refused) Error() string { return string(r) }

type placing struct {
	ID       string  `json:"id"`
	Customer string  `json:"customer"`
	Total    float64 `json:"total"`
}

// place answers POST /orders. The rule is about the customer, not about the order: so the consistency boundary is the
// customer's tag, which all orders of this customer carry.
func (s *shop) place(w http.ResponseWriter, r *http.Request) {
	var p placing
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil || p.ID == "" || p.Customer == "" {
		http.Error(w, `send {"id":…,"customer":…,"total":…}`, http.StatusBadRequest)
		return
	}
	data, _ := json.Marshal(p)
	tag := "customer:" + p.Customer
	position, err := s.decide(r.Context(), tag, func(history []event) (event, error) {
		waiting := map[string]bool{}
		for _, e := range history {
			switch e.Type {
			case "OrderPlaced":
				if e.Subject == p.ID {
					return event{}, refused("the order " + p.ID + " was placed before")
				}
				waiting[e.Subject] = true
			case "OrderShipped":
				delete(waiting, e.Subject)
			}
		}
		if len(waiting) >= open {
			return event{}, refused(fmt.Sprintf("the customer %s has %d orders that wait to be shipped", p.Customer, open))
		}
		return event{ID: "placed-" + p.ID, Type: "OrderPlaced", Subject: p.ID, Tags: []string{tag, "order:" + p.ID}, Data: data}, nil
	})
	reply(w, position, err)
}

// ship answers POST /orders/{id}/ship. This rule is about one order: its tag is the boundary.
func (s *shop) ship(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	position, err := s.decide(r.Context(), "order:"+id, func(history []event) (event, error) {
		if len(history) == 0 {
			return event{}, refused("there is no order " + id)
		}
		if history[len(history)-1].Type == "OrderShipped" {
			return event{}, refused("the order " + id + " was shipped before")
		}
		return event{ID: "shipped-" + id, Type: "OrderShipped", Subject: id, Tags: history[0].Tags, Data: history[0].Data}, nil
	})
	reply(w, position, err)
}

// decide reads what has happened within a boundary, decides, and publishes what was decided if nothing has happened
// within the boundary since. If something has, it decides again.
func (s *shop) decide(ctx context.Context, boundary string, decision func(history []event) (event, error)) (position int64, err error) {
	for range 10 {
		history, head, err := s.store.read(ctx, "orders", boundary)
		if err != nil {
			return 0, err
		}
		e, err := decision(history)
		if err != nil {
			return 0, err
		}
		position, err := s.store.publish(ctx, "orders", e, boundary, head)
		if !errors.Is(err, errChanged) {
			return position, err
		}
	}
	return 0, errChanged
}

// reply tells the position that was published: who reads with it finds what was written.
func reply(w http.ResponseWriter, position int64, err error) {
	var no refused
	switch {
	case errors.As(err, &no):
		http.Error(w, no.Error(), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "{\"position\":%d}\n", position)
	}
}
