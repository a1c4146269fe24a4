package telemetry

import (
	"context"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"eventstore/core"
	"eventstore/core/subscribers"
)

// fresh is for how long an instance tells what a run of its own has found. Later the projection or subscription is gone, or
// another instance runs it, which tells how it stands.
const fresh = 5 * time.Minute

// standing is how projections and subscriptions stand, as their last runs in this instance found it. Reading the metrics asks
// no storage.
type standing struct {
	now func() time.Time

	mu            sync.Mutex
	heads         map[string]core.Position // guarded by mu; by topic, as far as this instance has seen
	projections   map[pair]*place          // guarded by mu; by projection and topic
	failed        map[pair]*state          // guarded by mu; by projection and "live" or "rebuild"
	rebuilds      map[string]*state        // guarded by mu; their progress, by projection
	subscriptions map[pair]*place          // guarded by mu; by topic and id
}

type pair [2]string

// place is how far something has come in a topic.
type place struct {
	position core.Position
	lag      core.Position
	since    time.Time // when the first event behind it was recorded; zero where there is none
	parked   int
	seen     time.Time
}

// state is a figure, and when it was found.
type state struct {
	value float64
	seen  time.Time
}

func newStanding() *standing {
	return &standing{now: time.Now, heads: map[string]core.Position{}, projections: map[pair]*place{}, failed: map[pair]*state{},
		rebuilds: map[string]*state{}, subscriptions: map[pair]*place{}}
}

// head notes that a topic goes at least so far. A log that was restored or replaced is behind it for good; then a run,
// which asks the log, is what counts.
func (s *standing) head(topic string, head core.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.heads[topic]; known || len(s.heads) < mostSeries {
		s.heads[topic] = head
	}
}

// served notes how a subscription stands.
func (s *standing) served(told subscribers.Serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, key := s.now(), pair{told.Topic, told.ID}
	p := &place{position: told.Next, lag: max(0, told.Head-told.Next+1), parked: told.Parked, seen: now}
	before := s.subscriptions[key]
	switch {
	case p.lag == 0:
	case !told.Waiting.IsZero():
		p.since = told.Waiting
	case before != nil && before.position == p.position && !before.since.IsZero():
		p.since = before.since
	default:
		p.since = now
	}
	s.subscriptions[key] = p
}

// drop forgets what is no longer fresh. It is called with mu held.
func (s *standing) drop(now time.Time) {
	old := func(seen time.Time) bool { return now.Sub(seen) > fresh }
	for _, places := range []map[pair]*place{s.projections, s.subscriptions} {
		maps.DeleteFunc(places, func(_ pair, p *place) bool { return old(p.seen) })
	}
	maps.DeleteFunc(s.failed, func(_ pair, v *state) bool { return old(v.seen) })
	maps.DeleteFunc(s.rebuilds, func(_ string, v *state) bool { return old(v.seen) })
}

func (p *place) age(now time.Time) float64 {
	if p.since.IsZero() {
		return 0
	}
	return max(0, now.Sub(p.since).Seconds())
}

// observeStanding has the gauges read when metrics are.
func observeStanding(m *makers, s *standing) {
	projectionLag, projectionAge := m.gauge("eventstore.projection.lag"), m.gauge("eventstore.projection.age")
	failed, progress := m.gauge("eventstore.projection.failed"), m.gauge("eventstore.projection.rebuild.progress")
	lag, age, parked := m.gauge("eventstore.subscription.lag"), m.gauge("eventstore.subscription.age"), m.gauge("eventstore.subscription.parked")
	_, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		now := s.now()
		s.drop(now)
		tell := func(gauge metric.Float64Observable, value float64, attributes ...attribute.KeyValue) {
			o.ObserveFloat64(gauge, value, metric.WithAttributes(attributes...))
		}
		for key, p := range s.projections {
			tell(projectionLag, float64(p.lag), keyProjection.String(key[0]), keyTopic.String(key[1]))
			tell(projectionAge, p.age(now), keyProjection.String(key[0]), keyTopic.String(key[1]))
		}
		for name, value := range s.failures() {
			tell(failed, value, keyProjection.String(name))
		}
		for name, v := range s.rebuilds {
			tell(progress, v.value, keyProjection.String(name))
		}
		for key, p := range s.subscriptions {
			of := []attribute.KeyValue{keyTopic.String(key[0]), keySubscription.String(key[1])}
			tell(lag, float64(p.lag), of...)
			tell(age, p.age(now), of...)
			tell(parked, float64(p.parked), of...)
		}
		return nil
	}, projectionLag, projectionAge, failed, progress, lag, age, parked)
	keep(m, true, err)
}

// failures tells of each projection whether its live version or its rebuild can't go on. It is called with mu held.
func (s *standing) failures() map[string]float64 {
	failures := map[string]float64{}
	for key, v := range s.failed {
		failures[key[0]] = max(failures[key[0]], v.value)
	}
	return failures
}
