package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"eventstore/core"
)

// check is how far the verification of a rebuild has come: a walk over all documents, then some of them folded afresh.
type check struct {
	Walk walk `json:"walk"`
	// Refold is how far the fresh fold of the sampled documents has come, where it takes a whole pass over the log.
	Refold  Checkpoint `json:"refold,omitempty"`
	Refolds bool       `json:"refolds,omitempty"`
}

// checkCollection holds the documents that are folded afresh.
func checkCollection(name string, number int) string { return collectionOf(name, number) + "/check" }

// verify does a slice of the verification of a rebuild that stands at the head. Once it is through, the version is counted,
// and may go live. done: it does not verify, and there is nothing to do now.
func (p *Projections) verify(ctx context.Context, name string, number int, v *version) (done bool, err error) {
	err = p.verifySlice(ctx, name, number, v)
	if errors.Is(err, errMismatch) {
		return true, nil
	}
	return false, err
}

// errMismatch: a rebuild does not verify. That is kept already.
var errMismatch = errors.New("the rebuild does not verify")

func (p *Projections) verifySlice(ctx context.Context, name string, number int, v *version) error {
	r, release, err := p.runner(ctx, name, number)
	if err != nil {
		return err
	}
	defer release()
	deadline, state := time.Now().Add(p.config.SliceTime), *v.Check
	if !state.Walk.Done {
		err = state.Walk.run(ctx, p.config.Documents, collectionOf(name, number), v.Topics, v.Checkpoint, deadline)
		if errors.Is(err, errMoving) {
			return p.saveCheck(ctx, name, number, v, nil, nil) // another run was faster; begin again when it has come to the head
		}
		if err != nil || !state.Walk.Done {
			return errors.Join(err, p.saveCheck(ctx, name, number, v, &state, nil))
		}
		if same, err := p.refoldSubjects(ctx, r, v, &state, deadline); err != nil {
			return err
		} else if same {
			return p.saveCheck(ctx, name, number, v, nil, state.Walk.count(v.Checkpoint.positions(v.Topics)))
		}
		state.Refolds = true
		return p.saveCheck(ctx, name, number, v, &state, nil)
	}
	return p.refoldAll(ctx, r, v, &state, deadline)
}

// saveCheck keeps how far the verification came, or what it counted, unless the version has moved meanwhile.
func (p *Projections) saveCheck(ctx context.Context, name string, number int, before *version, state *check, count *Count) error {
	_, err := p.update(ctx, name, func(c *control) error {
		v := c.Versions[number]
		if v == nil || c.Build != number || !maps.Equal(v.Checkpoint, before.Checkpoint) {
			return fmt.Errorf("%w: version %d of %q has moved", errStale, number, name)
		}
		v.Check, v.Counted = state, count
		if count != nil {
			v.Documents, v.Failure = count.Documents, nil
		}
		return nil
	})
	return err
}

// refoldSubjects folds the sampled documents afresh from the events of the subjects of the same names, which is all there is to fold in
// most projections, and quick. That they come out the same proves enough; that they do not proves nothing.
func (p *Projections) refoldSubjects(ctx context.Context, r *runner, v *version, state *check, deadline time.Time) (same bool, err error) {
	if len(state.Walk.Sample) == 0 {
		return true, nil
	}
	subjects := []string{}
	for _, key := range state.Walk.Sample {
		if len(key) <= core.MaxSubject {
			subjects = append(subjects, key)
		}
	}
	w := newWorking(p.config.Documents, "", v.Topics)
	w.complete = true
	run := p.refold(r, v, w, state.Walk.Sample, nil, deadline)
	run.subjects = subjects
	if err := run.fold(ctx); err != nil || run.failed != nil || run.more {
		return false, err
	}
	different, err := p.differs(ctx, r, v, state.Walk.Sample, w)
	return different == "", err
}

func (p *Projections) refold(r *runner, v *version, w *working, sample []string, from Checkpoint, deadline time.Time) *run {
	only := map[string]bool{}
	for _, key := range sample {
		only[key] = true
	}
	return &run{projections: p, runner: r, working: w, from: from, until: v.Checkpoint, skipped: v.Skipped, only: only,
		maxEvents: math.MaxInt32, maxBytes: math.MaxInt, deadline: deadline}
}

// refoldAll folds the sampled documents afresh from all events, a slice at a time, into documents of their own.
func (p *Projections) refoldAll(ctx context.Context, r *runner, v *version, state *check, deadline time.Time) error {
	w := newWorking(p.config.Documents, checkCollection(r.key.name, r.key.version), v.Topics)
	run := p.refold(r, v, w, state.Walk.Sample, state.Refold, deadline)
	if err := run.fold(ctx); err != nil {
		return err
	}
	if _, err := w.flush(ctx); err != nil {
		return err
	}
	state.Refold = run.to
	if run.failed == nil && run.more {
		return p.saveCheck(ctx, r.key.name, r.key.version, v, state, nil)
	}
	if _, err := w.load(ctx, [][]string{state.Walk.Sample}); err != nil {
		return err
	}
	different, err := p.differs(ctx, r, v, state.Walk.Sample, w)
	if err != nil {
		return err
	}
	if run.failed == nil && different == "" {
		if err := state.Walk.run(ctx, p.config.Documents, collectionOf(r.key.name, r.key.version), v.Topics, v.Checkpoint, time.Time{}); err != nil {
			return err
		}
		return p.saveCheck(ctx, r.key.name, r.key.version, v, nil, state.Walk.count(v.Checkpoint.positions(v.Topics)))
	}
	return p.mismatch(ctx, r.key, v, different, run.failed)
}

// differs is the key of a sampled document that is not as it was folded afresh, "" for none.
func (p *Projections) differs(ctx context.Context, r *runner, v *version, sample []string, fresh *working) (string, error) {
	built := newWorking(p.config.Documents, collectionOf(r.key.name, r.key.version), v.Topics)
	if _, err := built.load(ctx, [][]string{sample}); err != nil {
		return "", err
	}
	for _, key := range sample {
		text := ""
		if d := fresh.known[key]; d != nil {
			text = d.text
		}
		if built.known[key].text != text {
			return key, nil
		}
	}
	return "", nil
}

// mismatch notes that a rebuild is not what a fresh fold makes. It is verified anew later, and does not go live.
func (p *Projections) mismatch(ctx context.Context, key runnerKey, before *version, different string, failed *Failure) error {
	message := fmt.Sprintf("verifying version %d: the document %q is not what folding its events afresh gives, so the handler does not give the same for the same", key.version, different)
	if failed != nil {
		message = fmt.Sprintf("verifying version %d: %s", key.version, failed.Message)
	}
	p.config.Log.ErrorContext(ctx, "a rebuild does not verify", "projection", key.name, "version", key.version, "cause", message)
	_, err := p.update(ctx, key.name, func(c *control) error {
		v := c.Versions[key.version]
		if v == nil || !maps.Equal(v.Checkpoint, before.Checkpoint) {
			return fmt.Errorf("%w: version %d of %q has moved", errStale, key.version, key.name)
		}
		v.Check = nil
		v.Mismatches++
		v.Failure = p.again(&Failure{Attempts: v.Mismatches - 1}, &Failure{Message: message, Verify: true}, core.Truncate(p.config.Now()))
		return nil
	})
	if err != nil {
		return err
	}
	return errMismatch
}
