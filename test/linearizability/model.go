// Package linearizability holds histories of a topic, made by clients that publish to it and read it at once, against what
// a single copy of it could have answered: every operation must seem to happen at one moment between its call and its answer.
//
// The model is in the manner of etcd's and S2's: a publish whose outcome is unknown returns at the end of time and may or may not
// have happened, and reads that failed are left out. What was read bounds the unknown ones: see [settle].
package linearizability

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// kind is what an operation asks for.
type kind int

const (
	publish kind = iota
	read         // the whole topic
	head         // where it ends
)

// input is one operation as it was asked for.
type input struct {
	kind kind

	// A publish: a request by its name, of so many events with the ids name-0, name-1 …, all of one subject and with
	// one content. The same name with the same content is the same request repeated.
	name    string
	events  int
	subject string
	content int
	// Its condition: the head it must find (none: -1), and a subject that no event above after may have ("" for none).
	expected    int
	failSubject string
	after       int
}

// verdict is how a publish was answered.
type verdict int

const (
	stored          verdict = iota // at first
	duplicate                      // it was stored before, at first
	idConflict                     // its ids were used with another content
	conditionFailed                // its condition does not hold
	unknown                        // there was no answer, or one that leaves it open
)

// output is what was answered.
type output struct {
	verdict verdict
	first   int
	head    int
	digest  uint64 // of a read: of all events in their order
	seen    []seen // of a read: the requests whose events it had
}

// key tells requests apart.
type key struct {
	name    string
	content int
}

// seen is a request as a read showed it.
type seen struct {
	key
	first int
}

// state is a topic after its last request, with those before it behind: one more request is one more state, so that states
// share what they have in common.
type state struct {
	before  *state
	request input
	first   int
	length  int
	digest  uint64
}

var empty = &state{}

// with is the topic after a request more.
func (s *state) with(request input) *state {
	next := &state{before: s, request: request, first: s.length + 1, length: s.length + request.events, digest: s.digest}
	for n := range request.events {
		next.digest = chain(next.digest, fmt.Sprintf("%s-%d", request.name, n), request.subject, request.content)
	}
	return next
}

// chain is the digest of a topic with one more event.
func chain(before uint64, id, subject string, content int) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, before, id, subject, content)
	return h.Sum64()
}

// find is the request of that name; nil where there is none.
func (s *state) find(name string) *state {
	for at := s; at != empty; at = at.before {
		if at.request.name == name {
			return at
		}
	}
	return nil
}

// holds reports whether a request's condition does.
func (s *state) holds(in input) bool {
	if in.expected >= 0 && in.expected != s.length {
		return false
	}
	for at := s; in.failSubject != "" && at != empty && at.length > in.after; at = at.before {
		if at.request.subject == in.failSubject {
			return false
		}
	}
	return true
}

// publish is what a topic answers to a publish, and what it is then: ids come before conditions.
func (s *state) publish(in input) (verdict, int, *state) {
	if known := s.find(in.name); known != nil {
		if known.request.content != in.content {
			return idConflict, 0, s
		}
		return duplicate, known.first, s
	}
	if !s.holds(in) {
		return conditionFailed, 0, s
	}
	return stored, s.length + 1, s.with(in)
}

// step is every state that a topic may be in after an operation that was answered so; none where it can't be.
func step(now *state, in input, out output) []*state {
	switch in.kind {
	case head:
		if out.head == now.length {
			return []*state{now}
		}
		return nil
	case read:
		if out.head == now.length && out.digest == now.digest {
			return []*state{now}
		}
		return nil
	}
	verdict, first, next := now.publish(in)
	if out.verdict == unknown {
		if next == now {
			return []*state{now}
		}
		return []*state{now, next}
	}
	if verdict == out.verdict && first == out.first {
		return []*state{next}
	}
	return nil
}

// model is porcupine's.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{empty} },
	Step: func(now, in, out any) (next []any) {
		for _, s := range step(now.(*state), in.(input), out.(output)) {
			next = append(next, s)
		}
		return next
	},
	Equal: func(a, b any) bool {
		return a.(*state).length == b.(*state).length && a.(*state).digest == b.(*state).digest
	},
	Hash:              func(s any) uint64 { return s.(*state).digest },
	DescribeOperation: describe,
}).ToModel()

func describe(in, out any) string {
	i, o := in.(input), out.(output)
	if i.kind != publish {
		return fmt.Sprintf("%s → head %d, %x", [...]string{"", "read", "head"}[i.kind], o.head, o.digest)
	}
	var condition strings.Builder
	if i.expected >= 0 {
		fmt.Fprintf(&condition, " if head %d", i.expected)
	}
	if i.failSubject != "" {
		fmt.Fprintf(&condition, " unless %s above %d", i.failSubject, i.after)
	}
	return fmt.Sprintf("publish %s/%d of %s, %d events%s → %s %d", i.name, i.content, i.subject, i.events, condition.String(),
		[...]string{"stored", "duplicate", "id conflict", "condition failed", "unknown"}[o.verdict], o.first)
}
