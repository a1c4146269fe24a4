package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// hintEvery is the shortest time between two hints about one log.
	hintEvery = 50 * time.Millisecond
	// hintTimeout is how long a hint may take; then it is dropped.
	hintTimeout = 2 * time.Second
	// hintChannel is the channel of all logs of a database; the payload is a log's identity.
	hintChannel = "eventstore"
	// relistenAfter is how long a broken listener waits before it connects again.
	relistenAfter = 2 * time.Second
)

var notify = statement{"eventstore_notify", `select pg_notify('` + hintChannel + `', $1)`}

// hints tell other processes that a log has grown (NOTIFY), and hear it of them (LISTEN). All
// of them may be lost: who waits also looks for itself.
type hints struct {
	database *database
	config   *pgx.ConnConfig
	before   func(context.Context, *pgx.ConnConfig) error
	ended    context.Context
	end      context.CancelFunc
	running  sync.WaitGroup

	mu       sync.Mutex
	due      map[string]*time.Timer            // guarded by mu; by log: no hint is sent until it fires
	again    map[string]bool                   // guarded by mu; by log: there is something to tell by then
	watchers map[string]map[chan struct{}]bool // guarded by mu; by log
	listens  context.CancelFunc                // guarded by mu; ends the listener, nil where there is none
}

func (h *hints) start(d *database, pool *pgxpool.Config) {
	h.database, h.config, h.before = d, pool.ConnConfig, pool.BeforeConnect
	h.ended, h.end = context.WithCancel(context.Background())
	h.due, h.again = map[string]*time.Timer{}, map[string]bool{}
	h.watchers = map[string]map[chan struct{}]bool{}
}

// stop ends what runs, and waits for it.
func (h *hints) stop() {
	h.mu.Lock()
	h.end()
	for _, timer := range h.due {
		timer.Stop()
	}
	h.mu.Unlock()
	h.running.Wait()
}

// tell sends a hint that a log has grown: at once where none was sent lately, else one for all
// that comes until then.
func (h *hints) tell(log string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.Err() != nil {
		return
	}
	if h.due[log] != nil {
		h.again[log] = true
		return
	}
	h.due[log] = time.AfterFunc(hintEvery, func() { h.next(log) })
	h.running.Go(func() { h.send(log) })
}

// next is what happens when the time between two hints is over.
func (h *hints) next(log string) {
	h.mu.Lock()
	more := h.again[log]
	delete(h.due, log)
	delete(h.again, log)
	h.mu.Unlock()
	if more {
		h.tell(log)
	}
}

func (h *hints) send(log string) {
	ctx, cancel := context.WithTimeout(h.ended, hintTimeout)
	defer cancel()
	p := new(parameters)
	p.text(log)
	if _, err := h.database.run(ctx, ctx, notify, p, nil); err != nil {
		h.database.log.DebugContext(ctx, "a hint to other processes was lost", "error", err)
	}
}

// watch returns a channel that is told of a log's growth until ctx ends, when it is closed.
func (h *hints) watch(ctx context.Context, log string) <-chan struct{} {
	told := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers[log] == nil {
		h.watchers[log] = map[chan struct{}]bool{}
	}
	h.watchers[log][told] = true
	if h.listens == nil && h.ended.Err() == nil {
		var listening context.Context
		listening, h.listens = context.WithCancel(h.ended)
		h.running.Go(func() { h.listen(listening) })
	}
	context.AfterFunc(ctx, func() { h.unwatch(log, told) })
	return told
}

// unwatch forgets a watcher, and ends the listener with the last one.
func (h *hints) unwatch(log string, told chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers[log], told)
	if len(h.watchers[log]) == 0 {
		delete(h.watchers, log)
	}
	if len(h.watchers) == 0 && h.listens != nil {
		h.listens()
		h.listens = nil
	}
	close(told)
}

// wake tells the watchers of a log; those of every log where it is "".
func (h *hints) wake(log string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for watched, watchers := range h.watchers {
		for told := range watchers {
			if log != "" && log != watched {
				break
			}
			select {
			case told <- struct{}{}:
			default: // it has not looked since it was told last
			}
		}
	}
}

// listen hears hints until ctx ends, connecting again when it must. Behind a pooler in
// transaction mode there is no session to hear in, and so nothing to do.
func (h *hints) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := h.hear(ctx); err != nil && ctx.Err() == nil {
			h.database.log.DebugContext(ctx, "hints of other processes are not heard", "error", err)
		}
		if sleep(ctx, relistenAfter) != nil {
			return
		}
	}
}

func (h *hints) hear(ctx context.Context) error {
	if h.database.pooled.Load() {
		return nil
	}
	config := h.config.Copy()
	if err := h.before(ctx, config); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{hintChannel}.Sanitize()); err != nil {
		return err
	}
	h.wake("") // what was told before this is lost
	for {
		hint, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		h.wake(hint.Payload)
	}
}
