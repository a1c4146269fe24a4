package queries

import (
	"context"
	"errors"
	"eventstore/core"
	"eventstore/core/topics"
	"iter"
)

type watcher struct{}

func New(registry *topics.Registry, config Config) *Reader {
	return &Reader{registry: registry, config: config}
}
func (r *Reader) Page(ctx context.Context, topic string, q PageQuery) (Page, error) {
	return Page{}, errors.ErrUnsupported
}
func (r *Reader) Stream(ctx context.Context, topic string, q PageQuery) (core.Position, iter.Seq2[core.Event, error], error) {
	return 0, nil, errors.ErrUnsupported
}
func (r *Reader) Follow(ctx context.Context, topic string, q core.Query) (core.Position, iter.Seq2[core.Event, error], error) {
	return 0, nil, errors.ErrUnsupported
}
func (r *Reader) Event(ctx context.Context, topic string, position core.Position) (core.Event, error) {
	return core.Event{}, errors.ErrUnsupported
}
func (r *Reader) Head(ctx context.Context, topic string) (core.Head, error) {
	return core.Head{}, errors.ErrUnsupported
}
func (r *Reader) Verify(ctx context.Context, topic string, from, to core.Position) (Verification, error) {
	return Verification{}, errors.ErrUnsupported
}
func (r *Reader) Summary(ctx context.Context, topic string) (Summary, error) {
	return Summary{}, errors.ErrUnsupported
}
