// Command orders is an example: a shop's orders, kept in the event store. It shows three things that every such
// program does: deciding under a condition (orders.go), reading a read model (view.go), and reacting to events by a
// webhook (hook.go). Everything goes over the store's HTTP API (store.go).
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, or("EVENTSTORE_URL", "http://127.0.0.1:8080"), or("LISTEN", "127.0.0.1:9090")); err != nil {
		log.Fatal("orders: ", err)
	}
}

func or(setting, otherwise string) string {
	if value := os.Getenv(setting); value != "" {
		return value
	}
	return otherwise
}

// run serves the shop until ctx ends.
func run(ctx context.Context, store, listen string) error {
	s := &shop{store: &client{url: store, key: os.Getenv("EVENTSTORE_KEY")}}
	if err := s.store.prepare(ctx, "orders"); err != nil {
		return err
	}
	if err := s.defineViews(ctx); err != nil {
		return err
	}
	mailer := newMailer()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", s.place)
	mux.HandleFunc("POST /orders/{id}/ship", s.ship)
	mux.HandleFunc("GET /orders/{id}", s.showOrder)
	mux.HandleFunc("GET /customers/{id}", s.showCustomer)
	mux.HandleFunc("POST /hook", mailer.receive)
	server := &http.Server{Addr: listen, Handler: mux}
	go func() { // so that the store finds the receiver when it is told of it
		if err := mailer.subscribe(ctx, s.store, "http://"+listen+"/hook"); err != nil {
			log.Print("subscribing: ", err)
		}
	}()
	go func() { <-ctx.Done(); server.Close() }()
	fmt.Printf("orders serves on http://%s, with the store at %s\n", listen, store)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
