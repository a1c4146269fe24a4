// Command jetstream is NATS JetStream for the benchmarks: a server whose file store syncs each message before it is
// acknowledged, and publishers. It is a module of its own, so that the store's depends on nothing of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "jetstream:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 3 && arguments[0] == "serve":
		return serve(arguments[1], arguments[2])
	case len(arguments) == 4 && arguments[0] == "publish":
		clients, err := strconv.Atoi(arguments[2])
		if err != nil {
			return err
		}
		duration, err := time.ParseDuration(arguments[3])
		if err != nil {
			return err
		}
		return publish(arguments[1], clients, duration)
	}
	return errors.New("it takes `serve HOST:PORT DIRECTORY`, or `publish HOST:PORT CLIENTS DURATION` with the message on standard input")
}

// serve serves until it is interrupted.
func serve(address, dir string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: number, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	s.Start()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// publish publishes to one stream from so many connections, each of which awaits its acknowledgement, and prints what came of it.
func publish(address string, clients int, duration time.Duration) error {
	message, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	publishers, err := connect(address, clients)
	if err != nil {
		return err
	}
	var published atomic.Int64
	var working sync.WaitGroup
	errs := make([]error, clients)
	begun := time.Now()
	for i, publisher := range publishers {
		working.Go(func() {
			for time.Since(begun) < duration && errs[i] == nil {
				if _, errs[i] = publisher.Publish(context.Background(), "orders.4711", message); errs[i] == nil {
					published.Add(1)
				}
			}
		})
	}
	working.Wait()
	took := time.Since(begun)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"perSecond": float64(published.Load()) / took.Seconds(), "appended": published.Load()})
}

// connect makes the stream, unless it is there, and a connection for each client. The server may still be starting.
func connect(address string, clients int) (publishers []jetstream.JetStream, err error) {
	for range clients {
		connection, err := nats.Connect("nats://"+address, nats.RetryOnFailedConnect(true), nats.MaxReconnects(600), nats.ReconnectWait(100*time.Millisecond))
		if err != nil {
			return nil, err
		}
		publisher, err := jetstream.New(connection)
		if err != nil {
			return nil, err
		}
		publishers = append(publishers, publisher)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		_, err = publishers[0].CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "bench", Subjects: []string{"orders.>"}, Storage: jetstream.FileStorage, Replicas: 1})
		if err == nil || ctx.Err() != nil {
			return publishers, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
