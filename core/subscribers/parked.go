package subscribers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventstore/core"
)

// Parked is a subject whose event could not be delivered, with those that wait behind it.
type Parked struct {
	Subject   string // "" for an event without one
	Positions []core.Position
	Events    int // that wait, of which Positions are the first
	Attempts  int
	LastError string
	Since     time.Time
}

// mostPositions is the most positions that are listed of a parked subject.
const mostPositions = 1000

// parked reads the holds that are parked, in order of position.
func (s *Service) parked(ctx context.Context, reg *registration) (some []*hold, err error) {
	prefix := reg.stateKey() + "/"
	for document, err := range s.Documents.List(ctx, holds, core.ListQuery{Prefix: prefix}) {
		if err != nil {
			return nil, fmt.Errorf("listing holds: %w", err)
		}
		h := &hold{version: document.Version, name: strings.TrimPrefix(document.Key, prefix)}
		if err := decode(holds, document, h); err != nil {
			return nil, err
		}
		if h.Parked {
			some = append(some, h)
		}
	}
	slices.SortFunc(some, func(a, b *hold) int { return int(a.From - b.From) })
	return some, nil
}

// ListParked reports the subjects that are parked, in the order of their first events.
func (s *Service) ListParked(ctx context.Context, topic, id string) ([]Parked, error) {
	reg, _, err := s.find(ctx, topic, id)
	if err != nil {
		return nil, err
	}
	log, err := s.Open(ctx, topic)
	if err != nil {
		return nil, err
	}
	st := new(state)
	if _, err := s.store.get(ctx, states, reg.stateKey(), st); err != nil {
		return nil, err
	}
	return s.listParked(ctx, reg, st, log)
}

func (s *Service) listParked(ctx context.Context, reg *registration, st *state, log core.Log) ([]Parked, error) {
	found, err := s.parked(ctx, reg)
	if err != nil {
		return nil, err
	}
	list := []Parked{}
	places := map[string]int{} // subject → index
	item := core.Item{Types: reg.Types, Tags: reg.Tags}
	first := core.MaxPosition
	for _, h := range found {
		if h.Rewinds != st.Rewinds {
			continue
		}
		p := Parked{Attempts: h.Attempts, LastError: h.Error, Since: h.Since}
		if len(h.Subjects) == 0 {
			p.Positions, p.Events = h.Events, len(h.Events)
			list = append(list, p)
			continue
		}
		for _, p.Subject = range h.Subjects {
			places[p.Subject] = len(list)
			list = append(list, p)
			item.Subjects = append(item.Subjects, p.Subject)
		}
		first = min(first, h.From)
	}
	if len(places) == 0 {
		return list, nil
	}
	return list, s.fillParked(ctx, list, places, core.Query{From: first, To: st.Next - 1, Filter: core.Filter{item}}, log, found)
}

// fillParked finds the events that wait, in one reading of the log.
func (s *Service) fillParked(ctx context.Context, list []Parked, places map[string]int, q core.Query, log core.Log, found []*hold) error {
	from := map[string]core.Position{}
	for _, h := range found {
		for _, subject := range h.Subjects {
			from[subject] = h.From
		}
	}
	for e, err := range log.Read(ctx, q) {
		if err != nil {
			return err
		}
		if e.Position < from[e.Subject] {
			continue
		}
		p := &list[places[e.Subject]]
		if p.Events++; p.Events <= mostPositions {
			p.Positions = append(p.Positions, e.Position)
		}
	}
	return nil
}

func (s *Service) countParked(ctx context.Context, reg *registration, st *state, log core.Log) (n int, err error) {
	list, err := s.listParked(ctx, reg, st, log)
	for _, p := range list {
		n += p.Events
	}
	return n, err
}
