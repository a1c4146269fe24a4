package commands

import (
	"context"
	"errors"
	"eventstore/core"
	"eventstore/core/topics"
	"iter"
)

type committer struct{}

func New(registry *topics.Registry, config Config) *Publisher {
	return &Publisher{registry: registry, config: config}
}
func (p *Publisher) Publish(ctx context.Context, topic string, request Request) (Result, error) {
	return Result{}, errors.ErrUnsupported
}
func (p *Publisher) Import(ctx context.Context, topic string, events iter.Seq2[core.Event, error]) (Imported, error) {
	return Imported{}, errors.ErrUnsupported
}
func (p *Publisher) Close() {}
