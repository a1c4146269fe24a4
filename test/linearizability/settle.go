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
//   - One that was seen happened before it was seen, by one of the publishes that asked for it, of which any may have been the one.
func settle(operations []porcupine.Operation) (settled []porcupine.Operation) {
	seen, told := sightings(operations)
	merged := map[key]int{} // where in settled
	for _, o := range operations {
		in := o.Input.(input)
		k := key{in.name, in.content}
		if in.kind != publish || o.Output.(output).verdict != unknown {
			settled = append(settled, o)
			continue
		}
		at, was := seen[k]
		if !was || told[k] {
			continue
		}
		if i, again := merged[k]; again {
			settled[i].Call = min(settled[i].Call, o.Call)
			continue
		}
		merged[k] = len(settled)
		o.Return = max(at, o.Call)
		settled = append(settled, o)
	}
	return settled
}

// sightings are when each request was first known to be stored, and which were acknowledged as stored.
func sightings(operations []porcupine.Operation) (seen map[key]int64, told map[key]bool) {
	seen, told = map[key]int64{}, map[key]bool{}
	saw := func(k key, at int64) {
		if was, ok := seen[k]; !ok || at < was {
			seen[k] = at
		}
	}
	for _, o := range operations {
		in, out := o.Input.(input), o.Output.(output)
		for _, k := range out.seen {
			saw(k, o.Return)
		}
		if in.kind == publish && (out.verdict == stored || out.verdict == duplicate) {
			saw(key{in.name, in.content}, o.Return)
			told[key{in.name, in.content}] = told[key{in.name, in.content}] || out.verdict == stored
		}
	}
	return seen, told
}
