package projections_test

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"eventstore/adapters/javascript"
	"eventstore/core"
	"eventstore/core/coretest"
	"eventstore/core/projections"
	"eventstore/core/topics"
)

const (
	topic = "github"
	name  = "repositories"
)

// An instance is one process's projections, over handles of its own. Its writes of documents fail as is said to hurdles and flaky.
type instance struct {
	*projections.Projections
	registry *topics.Registry
	config   core.TopicConfig // of the topic
	hurdles  *everyWrite
	flaky    *coretest.FlakyDocuments
	end      func()
}

// open makes an instance whose runs are of so many events.
func open(at, into place, step int) (*instance, error) {
	adapter, config, endTopics, err := at.openTopics()
	if err != nil {
		return nil, err
	}
	documents, endDocuments, err := into.openDocuments()
	if err != nil {
		endTopics()
		return nil, err
	}
	config.Name, config.Adapter = topic, "x"
	i := &instance{config: config, hurdles: &everyWrite{Documents: documents}}
	i.flaky = &coretest.FlakyDocuments{Documents: i.hurdles}
	i.registry = topics.New(topics.Config{Documents: documents, Default: "x", Adapters: map[string]topics.Adapter{"x": adapter}})
	i.Projections = projections.New(projections.Config{
		Topics: i.registry, Documents: i.flaky, StepEvents: step, SliceTime: time.Second, Backoff: time.Millisecond, MaxBackoff: time.Millisecond,
		Compile: func(ctx context.Context, source string) (projections.Program, error) {
			return javascript.Compile(ctx, source)
		},
		Handlers: handlers(),
	})
	i.end = func() {
		i.Close()
		_ = i.registry.Close()
		endDocuments()
		endTopics()
	}
	return i, nil
}

// drive folds as a process does: by the timers' passes, and for a reader who asks for all there is and waits for no lease.
func (i *instance) drive(ctx context.Context) {
	_, _ = i.Project(ctx), i.Rebuilds(ctx) // they fail and are cut off: that is the point
	opened, err := i.registry.Open(ctx, topic)
	if err != nil {
		return
	}
	if head, err := opened.Log.Head(ctx); err == nil {
		_, _ = i.List(ctx, name, projections.PageQuery{Limit: 1}, projections.Fresh{At: projections.Positions{topic: head.Position}})
	}
}

// nowAndThen lets one write of twenty fail, before or after its effect.
func nowAndThen(call string) coretest.Fault {
	if call != "Documents.Write" || mathrand.IntN(20) > 0 {
		return coretest.Pass
	}
	return []coretest.Fault{coretest.FailBefore, coretest.FailAfter}[mathrand.IntN(2)]
}

// everyWrite, once it is on, fails every write twice: before its effect when it is first tried, and after it the second time. Writes are
// told apart by their collection and how many were made since the checkpoint last moved or one failed.
type everyWrite struct {
	core.Documents

	mu            sync.Mutex
	on            bool              // guarded by mu
	number        int               // guarded by mu; of the next write
	tried         map[writeName]int // guarded by mu
	before, after int               // guarded by mu; how many failed so
}

type writeName struct {
	collection string
	number     int
}

func (d *everyWrite) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on, d.tried = true, map[writeName]int{}
}

// stop tells how many writes failed before and after their effect.
func (d *everyWrite) stop() (before, after int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = false
	return d.before, d.after
}

// Write is the documents', or fails.
func (d *everyWrite) Write(ctx context.Context, writes ...core.Write) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.on {
		d.mu.Unlock()
		defer d.mu.Lock()
		return d.Documents.Write(ctx, writes...)
	}
	write := writeName{writes[0].Collection, d.number}
	tries := d.tried[write]
	d.tried[write]++
	if tries == 0 {
		d.number = 0
		d.before++
		return nil, coretest.ErrInjected
	}
	versions, err := d.Documents.Write(ctx, writes...)
	d.number++
	if err != nil {
		d.number = 0
	} else if write.collection == "projections" { // where the checkpoints are
		d.number, d.tried = 0, map[writeName]int{}
	}
	if tries == 1 {
		d.number = 0
		d.after++
		return nil, errors.Join(err, coretest.ErrInjected)
	}
	return versions, err
}
