// Package projections_test folds events on every kind of storage into documents on every kind of storage, with runs that
// are cut off and writes that fail, and kills the binary while it rebuilds.
package projections_test

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/projections"
)

// long reports whether the long forms of tests were asked for, with EVENTSTORE_TEST_LONG=1.
func long() bool { return os.Getenv("EVENTSTORE_TEST_LONG") != "" }

// patience is how long anything may take before the test gives up.
const patience = 20 * time.Minute

// extent is how much a pair of storages has to do.
type extent struct {
	events, repositories int
	whole                int // of the events hold a whole payload, in files
	kills                int // of processes
	cuts                 int // of runs in memory, which is one process's
	step                 int // events a run
}

// size is the short form or the long one. EVENTSTORE_TEST_EVENTS says otherwise how many events there are.
func size() extent {
	short := extent{events: 600, repositories: 30, whole: 30, kills: 4, cuts: 20, step: 100}
	if !long() {
		return short
	}
	n := 100_000
	if given, err := strconv.Atoi(os.Getenv("EVENTSTORE_TEST_EVENTS")); err == nil && given > 0 {
		n = given
	}
	return extent{events: n, repositories: n / 20, whole: n / 20, kills: 50, cuts: 50, step: 2_000}
}

// On each pair of storages the documents are the plain fold, whatever happens to the runs, the writes and the definitions.
func TestEveryPairOfStorages(t *testing.T) {
	for _, at := range kinds {
		for _, into := range kinds {
			t.Run(at+" into "+into, func(t *testing.T) {
				t.Parallel()
				newPair(t, at, into).run()
			})
		}
	}
}

// A pair is a topic on one kind of storage whose events are folded into documents on another, by two instances.
type pair struct {
	t        *testing.T
	extent   extent
	scripted bool // the definitions are JavaScript
	a, b     *instance
	work     work // of processes beside them
	shared   bool // there can be such

	failedBefore, failedAfter int // writes

	mu        sync.Mutex
	all       []core.Event
	published int // guarded by mu
}

func newPair(t *testing.T, at, into string) *pair {
	p := &pair{t: t, extent: size()}
	// QuickJS is slow under the race detector.
	p.scripted = at == "fs" && into == "fs" || long() && at == into
	if at != "fs" || into != "fs" {
		p.extent.whole = 0
	}
	p.work = work{newPlace(t, at), newPlace(t, into), p.extent.step}
	p.shared = p.work.Topics.shared() && p.work.Documents.shared()
	for _, i := range []**instance{&p.a, &p.b} {
		opened, err := open(p.work.Topics, p.work.Documents, p.extent.step)
		require.NoError(t, err)
		t.Cleanup(opened.end)
		*i = opened
	}
	_, _, err := p.a.registry.Create(t.Context(), p.a.config)
	require.NoError(t, err)
	p.all = events(t, p.extent.events, p.extent.repositories, p.extent.whole)
	return p
}

func (p *pair) run() {
	p.put(1)
	p.underKills()
	p.same(p.b, 1)
	p.whileEveryWriteFails()
	p.same(p.b, 1)
	p.abortedRebuild()
	p.rebuildAndRollback()
	p.deleteAndPutAgain()
	p.t.Logf("%d events into %d documents; %d runs cut off (killed: %v); %d writes failed before their effect and %d after, besides one in twenty",
		p.published, p.status().Documents, p.runs(), p.shared, p.failedBefore, p.failedAfter)
}

func (p *pair) put(weight int) {
	_, err := p.a.Put(p.t.Context(), name, definition(weight, p.scripted))
	require.NoError(p.t, err)
}

func (p *pair) status() projections.Status {
	status, err := p.b.Status(p.t.Context(), name)
	require.NoError(p.t, err)
	return status
}

// runs is how many are cut off.
func (p *pair) runs() int {
	if p.shared {
		return p.extent.kills
	}
	return p.extent.cuts
}

// underKills publishes most of the events in pieces, while two instances at once fold them and are killed, or cut off where there can
// be no other process, a piece each time. Writes fail now and then.
func (p *pair) underKills() {
	p.a.flaky.Script, p.b.flaky.Script = nowAndThen, nowAndThen
	most := p.extent.events * 8 / 10
	runs := p.runs()
	var driving sync.WaitGroup
	for _, i := range []*instance{p.a, p.b} {
		driving.Go(func() {
			for range runs / 2 {
				if p.publish(most/runs, most); p.shared {
					p.work.killed(p.t)
				} else {
					i.cutOff(p.t)
				}
			}
		})
	}
	driving.Wait()
	p.publish(most, most)
	p.a.flaky.Script, p.b.flaky.Script = nil, nil
}

// whileEveryWriteFails publishes a tenth of the events and lets one instance fold them, each of whose writes fails before and after its
// effect.
func (p *pair) whileEveryWriteFails() {
	p.publish(p.extent.events/10, p.extent.events*9/10)
	p.a.hurdles.start()
	fresh := projections.Fresh{At: projections.Positions{topic: core.Position(p.published)}, Wait: time.Second}
	for begun := time.Now(); ; {
		_, err := p.a.List(p.t.Context(), name, projections.PageQuery{Limit: 1}, fresh)
		if err == nil {
			break
		}
		require.Less(p.t, time.Since(begun), patience, "the fold does not end: %v", err)
	}
	p.failedBefore, p.failedAfter = p.a.hurdles.stop()
	require.Positive(p.t, p.failedBefore)
	require.Positive(p.t, p.failedAfter)
}

// abortedRebuild begins a rebuild, puts another definition in its place and then the live one, which gives it up.
func (p *pair) abortedRebuild() {
	live := p.status()
	p.put(2)
	p.b.cutOff(p.t)
	require.NoError(p.t, p.a.Pause(p.t.Context(), name)) // no write that is still on its way succeeds after this one
	if p.status().Version != live.Version {
		require.NoError(p.t, p.a.Rollback(p.t.Context(), name, live.Version)) // the rebuild was too fast to be given up
	}
	p.put(3)
	require.NotNil(p.t, p.status().Rebuild)
	p.put(1)
	require.NoError(p.t, p.a.Resume(p.t.Context(), name))
	require.Nil(p.t, p.status().Rebuild)
	require.Equal(p.t, live.Version, p.status().Version)
	p.same(p.a, 1)
}

// rebuildAndRollback rebuilds with another definition by two instances, while runs are cut off and writes fail; readers see the old
// documents until the new ones are all there. Then it goes back.
func (p *pair) rebuildAndRollback() {
	before := p.status()
	old := p.read(p.b, p.published)
	p.put(2)
	p.a.flaky.Script, p.b.flaky.Script = nowAndThen, nowAndThen
	var driving sync.WaitGroup
	for _, i := range []*instance{p.a, p.b} {
		driving.Go(func() {
			for range 5 {
				i.cutOff(p.t)
			}
		})
	}
	driving.Wait()
	for begun := time.Now(); p.status().Rebuild != nil; {
		err := p.a.Rebuilds(p.t.Context())
		time.Sleep(time.Millisecond) // whoever was cut off may still have its lease
		require.Less(p.t, time.Since(begun), patience, "the rebuild does not end: %v", err)
	}
	p.a.flaky.Script, p.b.flaky.Script = nil, nil
	p.same(p.b, 2)
	after := p.status()
	require.Greater(p.t, after.Version, before.Version)
	require.EqualValues(p.t, len(plain(p.t, p.all[:p.published], 2)), after.Documents)
	require.NotEmpty(p.t, after.Digest)
	require.NoError(p.t, p.a.Rollback(p.t.Context(), name, after.Previous))
	equal(p.t, old, p.read(p.b, 0))
	p.publish(p.extent.events, p.extent.events)
	p.same(p.b, 1)
}

// deleteAndPutAgain begins anew, under a number that was never given.
func (p *pair) deleteAndPutAgain() {
	version := p.status().Version
	require.NoError(p.t, p.a.Delete(p.t.Context(), name))
	p.put(2)
	require.Greater(p.t, p.status().Version, version)
	p.same(p.b, 2)
}

// publish appends the next n events, but none behind number most.
func (p *pair) publish(n, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	opened, err := p.a.registry.Open(p.t.Context(), topic)
	require.NoError(p.t, err)
	for to := min(most, p.published+n); p.published < to; {
		head, err := opened.Log.Head(p.t.Context())
		require.NoError(p.t, err)
		next := min(to, p.published+2_000)
		sealed, _ := core.Seal(head, time.Now(), p.all[p.published:next])
		require.NoError(p.t, opened.Log.Append(p.t.Context(), head, sealed))
		p.published = next
	}
}

// same makes sure that a reader who asks for all that was published sees its plain fold.
func (p *pair) same(i *instance, weight int) {
	p.t.Helper()
	equal(p.t, plain(p.t, p.all[:p.published], weight), p.read(i, p.published))
}

// equal compares documents, and tells the first that differs.
func equal(t *testing.T, want, got map[string]string) {
	t.Helper()
	for key, value := range want {
		require.Equal(t, value, got[key], "document %q", key)
	}
	require.Len(t, got, len(want))
}

// read reads all documents, once they reflect n events.
func (p *pair) read(i *instance, n int) map[string]string {
	p.t.Helper()
	got, q := map[string]string{}, projections.PageQuery{Limit: 1000}
	fresh := projections.Fresh{Wait: patience}
	if n > 0 {
		fresh.At = projections.Positions{topic: core.Position(n)}
	}
	for {
		page, err := i.List(p.t.Context(), name, q, fresh)
		require.NoError(p.t, err)
		for _, d := range page.Documents {
			require.NotContains(p.t, got, d.Key)
			got[d.Key] = d.Value
		}
		if q.After = page.Next; q.After == "" {
			return got
		}
	}
}
