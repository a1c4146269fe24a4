package core

import (
	"fmt"
	"slices"
)

// Item selects events: an event matches when its type is one of Types, its subject
// one of Subjects, and it has all of Tags. An empty list does not count, so the zero
// Item matches every event.
type Item struct {
	Types    []string
	Subjects []string
	Tags     []string
}

// Filter selects the events that match any of its items. An empty Filter selects
// every event.
type Filter []Item

// Match reports whether an event is selected.
func (f Filter) Match(e *Event) bool {
	return len(f) == 0 || slices.ContainsFunc(f, func(item Item) bool { return item.Match(e) })
}

// Match reports whether an event matches the item.
func (i *Item) Match(e *Event) bool {
	return (len(i.Types) == 0 || slices.Contains(i.Types, e.Type)) &&
		(len(i.Subjects) == 0 || slices.Contains(i.Subjects, e.Subject)) &&
		containsAll(e.Tags, i.Tags)
}

// Validate checks that events can have the item's values: no event matches another, so that a condition
// with it would always hold and a filter select nothing. The error is an [InvalidError]; place is the item's.
func (i *Item) Validate(place string) error {
	for _, field := range []struct {
		name   string
		values []string
		check  func(value, place string) error
	}{
		{"types", i.Types, func(value, place string) error { return checkName(value, place, MaxType) }},
		{"subjects", i.Subjects, func(value, place string) error { return checkName(value, place, MaxSubject) }},
		{"tags", i.Tags, checkTag},
	} {
		for n, value := range field.values {
			if err := field.check(value, fmt.Sprintf("%s[%d]", at(place, field.name), n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func containsAll(have, want []string) bool {
	for _, tag := range want {
		if !slices.Contains(have, tag) {
			return false
		}
	}
	return true
}

// Condition is what must be true of a topic for an append to be accepted. The zero
// Condition always holds.
type Condition struct {
	// Head, where set, is the position that the topic's head must have.
	Head *Position
	// FailIfMatch are the items of which none may match an event above After. Unlike a
	// Filter, no items match nothing.
	FailIfMatch []Item
	After       Position
}
