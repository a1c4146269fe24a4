package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"eventstore/adapters/webhook"
	"eventstore/core"
	"eventstore/core/subscribers"
	"eventstore/core/topics"
	"eventstore/handler/trigger"
)

// linger is how long a run under the host, which comes once a minute, waits for attempts that
// fall due, so that the first steps of the ladder are kept.
const linger = 40 * time.Second

// callbacks is what the settings say of subscriptions.
type callbacks struct {
	policy webhook.Policy
	retry  subscribers.Ladder
	origin string // what receivers are told who sends
}

// readCallbacks reads EVENTSTORE_CALLBACKS and EVENTSTORE_RETRY. Any address may be called by
// default only where the server itself is reached from this machine alone.
func (s *settings) readCallbacks(getenv func(string) string) (err error) {
	s.callbacks = callbacks{policy: webhook.Public, retry: subscribers.DefaultLadder(), origin: getenv("WEBSITE_HOSTNAME")}
	if !s.underHost && s.loopback {
		s.callbacks.policy = webhook.Any
	}
	if text := getenv("EVENTSTORE_CALLBACKS"); text != "" {
		s.callbacks.policy = webhook.Policy(text)
	}
	if policy := s.callbacks.policy; policy != webhook.Public && policy != webhook.Any {
		return &settingError{"EVENTSTORE_CALLBACKS", string(policy), "it is public (https on public addresses) or any (for development)"}
	}
	if text := getenv("EVENTSTORE_RETRY"); strings.TrimSpace(text) != "" {
		if s.callbacks.retry, err = subscribers.ParseLadder(text); err != nil {
			return &settingError{"EVENTSTORE_RETRY", text, err.Error()}
		}
	}
	return nil
}

// newSubscriptions serves the subscriptions of a registry's topics.
func newSubscriptions(s settings, registry *topics.Registry, documents core.Documents, log *slog.Logger) *subscribers.Service {
	config := subscribers.Config{
		Documents: documents,
		Open: func(ctx context.Context, topic string) (core.Log, error) {
			opened, err := registry.Open(ctx, topic)
			if err != nil {
				return nil, err
			}
			return opened.Log, nil
		},
		Sender: s.telemetry.Sender(webhook.New(webhook.Config{Policy: s.callbacks.policy})),
		Served: s.telemetry.Served(),
		Origin: s.callbacks.origin,
		Retry:  s.callbacks.retry,
		Log:    log,
	}
	if s.underHost {
		config.Linger = linger
	}
	return subscribers.New(config)
}

// deliverTimer is the timer that delivers what nudges did not.
func deliverTimer(s *subscribers.Service) trigger.Timer {
	return trigger.Timer{Name: "deliver", Setting: "DELIVER_SCHEDULE", Run: s.Deliver}
}
