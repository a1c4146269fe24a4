package linearizability

import (
	"math"

	"github.com/anishathalye/porcupine"
)

// never is when an operation of unknown outcome returns.
const never = math.MaxInt64

// settle bounds the publishes of unknown outcome by what was seen of them, as etcd bounds its own by what reached its log; else the
// search for an order would take for ever:
//
//   - One that no read and no answer ever showed did not happen: had it, the positions and reads behind it would tell, which an order
//     without it does not explain.
//   - One whose request another publish was told to have stored changed nothing.
//   - One that was seen was stored where it was seen, and before, by one of the publishes that asked for it, of which any may have
//     been the one.
func settle(operations []porcupine.Operation) (settled []porcupine.Operation) {
	sightings, told := sight(operations)
	merged := map[key]int{} // where in settled
	for _, o := range operations {
		in := o.Input.(input)
		k := key{in.name, in.content}
		if in.kind != publish || o.Output.(output).verdict != unknown {
			settled = append(settled, o)
			continue
		}
		s, was := sightings[k]
		if !was || told[k] {
			continue
		}
		if i, again := merged[k]; again {
			settled[i].Call = min(settled[i].Call, o.Call)
			continue
		}
		merged[k] = len(settled)
		o.Return, o.Output = max(s.at, o.Call), output{verdict: stored, first: s.first}
		settled = append(settled, o)
	}
	return settled
}

// sighting is when a request was first known to be stored, and where.
type sighting struct {
	at    int64
	first int
}

// sight gathers the first sighting of each request, and which were acknowledged as stored.
func sight(operations []porcupine.Operation) (sightings map[key]sighting, told map[key]bool) {
	sightings, told = map[key]sighting{}, map[key]bool{}
	saw := func(k key, s sighting) {
		if was, ok := sightings[k]; !ok || s.at < was.at {
			sightings[k] = s
		}
	}
	for _, o := range operations {
		in, out := o.Input.(input), o.Output.(output)
		for _, s := range out.seen {
			saw(s.key, sighting{o.Return, s.first})
		}
		if in.kind == publish && (out.verdict == stored || out.verdict == duplicate) {
			k := key{in.name, in.content}
			saw(k, sighting{o.Return, out.first})
			told[k] = told[k] || out.verdict == stored
		}
	}
	return sightings, told
}
