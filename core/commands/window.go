package commands

import (
	"strings"

	"eventstore/core"
)

// maxWindowBytes bounds the texts that a window holds.
const maxWindowBytes = 8 << 20

// window remembers what checks need of a topic's latest events, up to its head: the
// positions above oldest()-1 without a gap. The zero window is that of an empty log.
type window struct {
	head  core.Head
	limit int // the most events

	base   core.Position // entry of position p is ring[(p-base) % limit]
	first  core.Position // the oldest remembered; head+1 when none is
	ring   []remembered
	bytes  int
	ids    map[string]core.Position
	latest map[attribute]core.Position // the latest event with a subject or a tag
}

// remembered is what checks look at. Its texts are one piece of memory of their own.
type remembered struct {
	id, kind, subject string
	tags              []string
	bytes             int
}

// attribute is a subject or, where tag is set, a tag.
type attribute struct {
	text string
	tag  bool
}

// reset forgets everything, and begins behind head.
func (w *window) reset(head core.Head, limit int) {
	*w = window{head: head, limit: limit, base: head.Position + 1, first: head.Position + 1,
		ids: map[string]core.Position{}, latest: map[attribute]core.Position{}}
}

// covers reports whether every event above after is remembered.
func (w *window) covers(after core.Position) bool { return after+1 >= w.first }

// complete reports whether the whole log is remembered.
func (w *window) complete() bool { return w.first == 1 }

// learn remembers the event behind the head; one that is known already is passed over.
func (w *window) learn(e *core.Event) {
	if e.Position != w.head.Position+1 {
		return
	}
	for w.first <= w.head.Position && (w.bytes > maxWindowBytes || int(e.Position-w.first) >= w.limit) {
		w.forget()
	}
	r := remember(e)
	if at := w.index(e.Position); at < len(w.ring) {
		w.ring[at] = r
	} else {
		w.ring = append(w.ring, r)
	}
	w.ids[r.id] = e.Position
	if r.subject != "" {
		w.latest[attribute{text: r.subject}] = e.Position
	}
	for _, tag := range r.tags {
		w.latest[attribute{tag, true}] = e.Position
	}
	w.bytes += r.bytes
	w.head = e.Head()
}

func (w *window) index(p core.Position) int { return int((p - w.base) % core.Position(w.limit)) }

// forget drops the oldest event.
func (w *window) forget() {
	r := &w.ring[w.index(w.first)]
	delete(w.ids, r.id)
	w.forgetLatest(attribute{text: r.subject})
	for _, tag := range r.tags {
		w.forgetLatest(attribute{tag, true})
	}
	w.bytes -= r.bytes
	*r = remembered{}
	w.first++
}

func (w *window) forgetLatest(a attribute) {
	if w.latest[a] == w.first {
		delete(w.latest, a)
	}
}

// remember copies the texts, since an event's may be parts of a whole request.
func remember(e *core.Event) remembered {
	size := len(e.ID) + len(e.Type) + len(e.Subject)
	for _, tag := range e.Tags {
		size += len(tag)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(e.ID)
	b.WriteString(e.Type)
	b.WriteString(e.Subject)
	for _, tag := range e.Tags {
		b.WriteString(tag)
	}
	all := b.String()
	next := func(text string) (copied string) {
		copied, all = all[:len(text)], all[len(text):]
		return copied
	}
	r := remembered{id: next(e.ID), kind: next(e.Type), subject: next(e.Subject), bytes: size + 16*len(e.Tags)}
	if len(e.Tags) > 0 {
		r.tags = make([]string, len(e.Tags))
		for i, tag := range e.Tags {
			r.tags[i] = next(tag)
		}
	}
	return r
}

// match finds the latest remembered event above after, up to last, that matches any of the
// items; 0 where none does.
func (w *window) match(items []core.Item, after, last core.Position) core.Position {
	found := max(after, w.first-1)
	var scratch core.Event
	for i := range items {
		for p := min(last, w.bound(&items[i])); p > found; p-- {
			r := &w.ring[w.index(p)]
			scratch.Type, scratch.Subject, scratch.Tags = r.kind, r.subject, r.tags
			if items[i].Match(&scratch) {
				found = p
			}
		}
	}
	if found <= max(after, w.first-1) {
		return 0
	}
	return found
}

// bound is a position above which no remembered event matches an item.
func (w *window) bound(item *core.Item) core.Position {
	bound := w.head.Position
	if len(item.Subjects) > 0 {
		bound = 0
		for _, subject := range item.Subjects {
			bound = max(bound, w.latest[attribute{text: subject}])
		}
	}
	for _, tag := range item.Tags {
		bound = min(bound, w.latest[attribute{tag, true}])
	}
	return bound
}
