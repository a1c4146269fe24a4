package projections

import (
	"context"
	"errors"

	"eventstore/core"
)

// A Program is what a definition computes. It is used by one goroutine at a time, and depends on nothing but what it is
// given: the same events and documents give the same documents, however they are divided into batches.
type Program interface {
	// Types are the event types that it handles; nil is all of them. It is given no others.
	Types() []string

	// MaxBatch is the most events, and about the most bytes of events, that should be given to it at once. It may change.
	MaxBatch() (events, size int)

	// Keys tells the keys of the documents that each event changes.
	Keys(ctx context.Context, events []core.Event) ([][]string, error)

	// Fold takes steps in order, each the number of an event of those that Keys was given last, and the number of a document,
	// whose JSON text documents has, "" for none. It returns the texts after the steps, "" for none, and whether each document
	// was there before or on the way.
	//
	// An error of Keys or Fold that is one event's fault tells Event() int, its number: all before it are
	// fine. Then nothing else is returned.
	Fold(ctx context.Context, steps [][2]int, documents []string) (after []string, alive []bool, err error)

	// Close frees what it holds.
	Close()
}

// failedEvent tells which event of a batch an error is the fault of.
func failedEvent(err error) (index int, ok bool) {
	var failed interface {
		error
		Event() int
	}
	if !errors.As(err, &failed) {
		return 0, false
	}
	return failed.Event(), true
}

// placeOf tells where in a source an error is; zeros where that is not known.
func placeOf(err error) (line, column int) {
	var placed interface {
		error
		Place() (int, int)
	}
	if errors.As(err, &placed) {
		return placed.Place()
	}
	return 0, 0
}
