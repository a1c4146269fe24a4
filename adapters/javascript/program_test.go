package javascript_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/javascript"
	"eventstore/core"
	"eventstore/core/coretest"
)

const orders = `({
  key: e => e.subject ?? null,
  on: {
    OrderPlaced:  (doc, e) => ({ status: "placed", n: e.data?.n ?? null, times: (doc?.times ?? 0) + 1 }),
    OrderShipped: (doc, e) => ({ ...doc, status: "shipped" }),
    OrderPurged:  () => null,
  },
});
`

func compile(t testing.TB, source string) *javascript.Program {
	t.Helper()
	p, err := javascript.Compile(t.Context(), source)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func sealed(n int) []core.Event {
	events, _ := core.Seal(core.Head{}, coretest.Start, coretest.Samples(0, n))
	return events
}

// events are of one type each, with data.
func eventsOf(kind string, datas ...string) []core.Event {
	events := sealed(len(datas))
	for i := range events {
		events[i].Type, events[i].Data, events[i].DataBase64 = kind, datas[i], ""
		events[i].Subject = fmt.Sprintf("s-%d", i)
	}
	return events
}

// fold gives events to a program as the engine does, and returns the documents by key; deleted ones are "".
func fold(ctx context.Context, p *javascript.Program, events []core.Event, documents map[string]string) (map[string]string, error) {
	keys, err := p.Keys(ctx, events)
	if err != nil {
		return nil, err
	}
	steps, names, texts, numbers := [][2]int{}, []string{}, []string{}, map[string]int{}
	for i, mine := range keys {
		for _, key := range mine {
			if _, ok := numbers[key]; !ok {
				numbers[key] = len(names)
				names, texts = append(names, key), append(texts, documents[key])
			}
			steps = append(steps, [2]int{i, numbers[key]})
		}
	}
	after, alive, err := p.Fold(ctx, steps, texts)
	if err != nil {
		return nil, err
	}
	result := map[string]string{}
	for i, name := range names {
		if alive[i] {
			result[name] = after[i]
		}
	}
	return result, nil
}

func TestADefinitionFoldsEvents(t *testing.T) {
	t.Parallel()
	got, err := fold(t.Context(), compile(t, orders), sealed(13), map[string]string{"order-5": `{"status":"old","times":4}`, "order-1": `{"status":"old"}`})
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"order-0": `{"status":"shipped","n":0,"times":1}`, "order-2": `{"status":"placed","n":null,"times":1}`,
		"order-3": `{"status":"shipped","n":null,"times":1}`, "order-1": "", "order-4": `{"status":"shipped"}`, "order-5": `{"status":"placed","n":12,"times":1}`,
	}, got)
}

func TestADefinitionSeesTheEventAsTheAPISaysIt(t *testing.T) {
	t.Parallel()
	p := compile(t, `({key: e => String(e.position), on: {T: (doc, e) => e}})`)
	events := eventsOf("T", `{"a":[1,2.5,"é 😀 \u0000",null,true,{}]}`, `null`, ``)
	events[0].Tags, events[0].Metadata, events[0].More = []string{"a", "b"}, `{"n":1}`, true
	events[2].Subject, events[2].DataBase64, events[2].Metadata = "", "AAEC", ""
	got, err := fold(t.Context(), p, events, nil)
	require.NoError(t, err)
	for i := range events {
		line := (&core.Event{Position: events[i].Position, ID: events[i].ID, Type: "T", Source: events[i].Source, Subject: events[i].Subject,
			Tags: events[i].Tags, Time: events[i].Time, Recorded: events[i].Recorded, More: events[i].More, DataContentType: events[i].DataContentType,
			Data: events[i].Data, DataBase64: events[i].DataBase64, Metadata: events[i].Metadata, Hash: events[i].Hash}).Line()
		require.Equal(t, line, got[fmt.Sprint(i+1)])
	}
}

func TestSourcesThatAreNoDefinition(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, source string
		line, column int
		reason       string
	}{
		{"an unexpected end", "({\n  key: e => e.subject,\n  on: {", 4, 1, ""},
		{"an unexpected token, with its place", "({\n  key: e => e.subject,\n  on: { A: = }\n})", 3, 12, "unexpected token"},
		{"an unexpected token in the first line", "({key: e =>, on: {}})", 1, 12, "unexpected token"},
		{"a way out of the brackets", "({key: e => 1, on: {}}); globalThis.x = 1; ({})", 1, 24, ""},
		{"statements", "const x = 1; ({})", 1, 1, ""},
		{"the strict mode's errors", "({key: e => 010, on: {}})", 1, 13, "octal"},
		{"nothing", " \n", 0, 0, "empty"},
		{"no object", "42", 0, 0, "not an object"},
		{"no key", "({on: {A: () => null}})", 0, 0, "key is not a function"},
		{"no handlers", "({key: e => null})", 0, 0, "on is not an object"},
		{"no handler at all", "({key: e => null, on: {}})", 0, 0, "on has no handlers"},
		{"a handler that is no function", "({key: e => null, on: {A: 1}})", 0, 0, "on.A is not a function"},
		{"a source that throws", "(() => {\n throw new Error('no')\n})()", 0, 0, "Error: no (line 2, column"},
		{"a source that does not end", "(() => { for (;;) {} })()", 0, 0, "longer than 1s"},
		{"a source that is too long", strings.Repeat(" ", javascript.MaxSource+1), 0, 0, "the most is 262144"},
		{"brackets without end", strings.Repeat("(", 100_000), 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := javascript.Compile(t.Context(), tt.source)
			var source *javascript.SourceError
			require.ErrorAs(t, err, &source)
			require.Contains(t, source.Reason, tt.reason)
			if tt.line > 0 {
				require.Equal(t, []int{tt.line, tt.column}, []int{source.Line, source.Column}, source.Reason)
			}
		})
	}
}

type hostility struct{ name, body, says string }

// some are those of the cases that are taken under the race detector, else all.
func some(cases []hostility, names ...string) []hostility {
	if !raced {
		return cases
	}
	return slices.DeleteFunc(slices.Clone(cases), func(h hostility) bool { return !slices.Contains(names, h.name) })
}

// fewer is a tenth under the race detector.
func fewer(n int) int {
	if raced {
		return n / 10
	}
	return n
}

// hostile are bodies of handlers that break a limit or a rule, and what the answer says of it.
var hostile = []hostility{
	{"an endless loop", `for (;;) {}`, "longer than 1s"},
	{"an endless loop that catches", `for (;;) { try { for (;;) {} } catch {} finally { continue } }`, "longer than 1s"},
	{"a memory bomb", `const a = []; for (;;) a.push(new Array(1000).fill(a.length))`, "64 MiB"},
	{"a long string", `return { s: "x".repeat(1 << 28) }`, "64 MiB"},
	{"a doubled string", `let s = "x"; for (;;) s += s`, ""},
	{"a typed array", `return { n: new Uint8Array(1 << 30).length }`, "64 MiB"},
	{"deep recursion", `const f = () => f() + 1; return f()`, "recursed"},
	{"a deep document", `let d = {}; for (let i = 0; i < 1e6; i++) d = { d }; return d`, ""},
	{"a document that is just too deep", `let d = {}; for (let i = 0; i < 200; i++) d = { d }; return d`, "nested more than 128"},
	{"a catastrophic regular expression", `return /^(a+)+$/.test("a".repeat(40) + "b") && {}`, "longer than 1s"},
	{"a large document", `return { s: "x".repeat(2 << 20) }`, "1048576 bytes"},
	{"a document large in bytes", `return { s: "é".repeat(600_000) }`, "1048576"},
	{"a document of 100 MiB", `return { s: "x".repeat(100 << 20) }`, "64 MiB"},
	{"a slow sort", `const a = []; for (let i = 0; i < 3e5; i++) a.push(i); for (;;) a.sort((x, y) => y - x)`, "longer than 1s"},
	{"the clock", `return { t: Date.now() }`, "clock"},
	{"a new date", `return { t: new Date() }`, "clock"},
	{"a date as a function", `return { t: Date() }`, "clock"},
	{"a date in the machine's zone", `return { t: new Date(2020, 1, 1) }`, "time zone"},
	{"a date text without a zone", `return { t: new Date("2020-01-01T00:00:00") }`, "time zone"},
	{"a date's local hours", `return { t: new Date(0).getHours() }`, "time zone"},
	{"a date's local text", `return { t: "" + new Date(0) }`, "time zone"},
	{"randomness", `return { r: Math.random() }`, "Math.random"},
	{"eval", `return eval("({})")`, "eval"},
	{"Function", `return (() => {}).constructor("return 1")()`, "making code"},
	{"a generator's Function", `return Object.getPrototypeOf(function* () {}).constructor("yield 1")()`, "making code"},
	{"a promise", `return Promise.resolve({})`, "Promise"},
	{"a shared buffer", `return new SharedArrayBuffer(8)`, "SharedArrayBuffer"},
	{"a weak reference", `return new WeakRef({})`, "WeakRef"},
	{"importing", `return import("fs")`, "asynchronous"},
	{"a changed prototype", `Object.prototype.x = 1; return {}`, "object is not extensible"},
	{"a changed built-in", `Array.prototype.push = null; return {}`, "read-only"},
	{"a changed JSON", `JSON.stringify = () => "gotcha"; return {}`, "read-only"},
	{"a global", `globalThis.count = 1; return {}`, "object is not extensible"},
	{"a redefined inheritance", `Object.setPrototypeOf(Array.prototype, null); return {}`, ""},
	{"undefined", `return`, "gave undefined"},
	{"a function", `return () => 1`, "no JSON value"},
	{"not a number", `return NaN`, "no JSON value"},
	{"a BigInt", `return { n: 1n }`, "BigInt"},
	{"a cycle", `const d = {}; d.d = d; return d`, "circular"},
	{"half a surrogate pair", `return { s: "\ud83d" }`, "surrogate"},
	{"something odd thrown", `throw { get message() { throw 1 } }`, "can't be described"},
	{"null thrown", `throw null`, "threw null"},
	{"a proxy that throws", `return new Proxy({}, { ownKeys() { throw new Error("mine") } })`, "mine"},
}

func TestAHostileHandlerFailsAloneAndIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range some(hostile, "an endless loop", "a document that is just too deep", "undefined") {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, `({ key: e => e.subject, on: { T: (doc, e) => { if (e.data !== 3) return { n: e.data };
`+tt.body+`
} } })`)
			events, at := eventsOf("T", "0", "1", "2", "3", "4", "5", "6", "7"), 3
			if strings.Contains(tt.says, "longer") && tt.name != "an endless loop" { // each second counts twice otherwise
				events, at = events[3:4], 0
			}
			_, err := fold(t.Context(), p, events, nil)
			var failed *javascript.EventError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, at, failed.Index, failed.Message)
			require.Contains(t, failed.Message, tt.says)
			good, err := fold(t.Context(), p, eventsOf("T", "0", "1"), nil)
			require.NoError(t, err)
			require.Len(t, good, 2)
		})
	}
}

func TestAHostileKeyFailsAloneAndIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range some([]hostility{
		{"an endless loop", `for (;;) {}`, "longer than 1s"},
		{"a number", `return 7`, "the number 7"},
		{"undefined", `return`, "undefined"},
		{"an empty string", `return ""`, "0 characters"},
		{"a long string", `return "x".repeat(1025)`, "1025 characters"},
		{"a number in an array", `return ["a", 1]`, "the number 1"},
		{"half a surrogate pair", `return "\udc00"`, "surrogate"},
		{"too many keys", `return Array.from({ length: 1001 }, (_, i) => "k" + i)`, "1001 keys"},
		{"an object", `return {}`, "an object"},
	}, "an endless loop", "a number") {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, `({ key: e => { if (e.data !== 2) return "k";`+tt.body+`}, on: { T: (doc, e) => ({}) } })`)
			_, err := p.Keys(t.Context(), eventsOf("T", "0", "1", "2", "3"))
			var failed *javascript.EventError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, 2, failed.Index)
			require.Contains(t, failed.Message, tt.says)
		})
	}
}

// What one event leaves behind no other sees: each sees the same, whatever stood before it in its batch.
func TestNothingLeaksFromEventToEvent(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"a variable":            `(() => { let n = 0; return { key: e => e.subject, on: { T: () => ({ n: ++n }) } } })()`,
		"this":                  `({ key: e => e.subject, n: 0, on: { T(doc, e) { this.n = (this.n ?? 0) + 1; return { n: this.n } } } })`,
		"a function's property": `(() => { const f = () => {}; return { key: e => e.subject, on: { T: () => { f.n = (f.n ?? 0) + 1; return { n: f.n } } } } })()`,
		"a regular expression":  `({ key: e => e.subject, re: /a/g, on: { T() { const re = /a/g; re.test("aa"); return { n: re.lastIndex } } } })`,
		"a weak map by a built-in": `(() => { const seen = new WeakMap(); return { key: e => e.subject,
			on: { T: () => { seen.set(Object, (seen.get(Object) ?? 0) + 1); return { n: seen.get(Object) } } } } })()`,
		"a symbol of the realm": `({ key: e => e.subject, on: { T: () => { try { Symbol.for("x").n = 1 } catch {} return { n: (Symbol.for("x").n ?? 0) + 1 } } } })`,
		"a late job":            `({ key: e => e.subject, on: { T: (doc, e) => { const d = { n: 1 }; (async () => { await 0; d.n = 9; e.data = 9 })(); return d } } })`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, source)
			for range 2 {
				got, err := fold(t.Context(), p, eventsOf("T", "0", "0", "0", "0", "0", "0"), nil)
				require.NoError(t, err)
				require.Len(t, got, 6)
				for key, text := range got {
					require.Equal(t, `{"n":1}`, text, key)
				}
			}
		})
	}
}

func TestOneEventsDocumentsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	p := compile(t, `({ key: e => { e.data.seen.push("key"); return ["a", "b", "a"] },
		on: { T: (doc, e) => { e.data.seen.push("on"); return { all: [...(doc?.all ?? []), ...e.data.seen] } } } })`)
	got, err := fold(t.Context(), p, eventsOf("T", `{"seen":[]}`, `{"seen":[]}`), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": `{"all":["on","on"]}`, "b": `{"all":["on","on"]}`}, got)
}

func TestADefinitionMayUseWhatIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	p := compile(t, `({ key: e => "k", on: { T: (doc, e) => {
		class Odd extends Error { constructor(m) { super(m); this.name = "Odd" } }
		const counts = {}; for (const w of ["constructor", "toString", "a"]) counts[w] = (Object.hasOwn(counts, w) ? counts[w] : 0) + 1;
		const own = JSON.parse('{"__proto__":1}');
		const a = [3, 1, 2].sort(); a.push(4);
		return { name: new Odd("x").name, counts, own, a, d: new Date(Date.UTC(2020, 1, 29)), at: Date.parse("2020-01-01T00:00:00+01:00"),
			day: new Date("2020-02-29").getUTCDay(), s: "é".normalize("NFD").length, m: Math.max(1, 2), g: [...(function* () { yield 1 })()] }
	} } }) // with a comment`)
	got, err := fold(t.Context(), p, eventsOf("T", "0"), nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"Odd","counts":{"constructor":1,"toString":1,"a":1},"own":{"__proto__":1},"a":[1,2,3,4],"d":"2020-02-29T00:00:00.000Z",
		"at":1577833200000,"day":6,"s":2,"m":2,"g":[1]}`, got["k"])
}

func TestAThrownErrorTellsItsPlace(t *testing.T) {
	t.Parallel()
	p := compile(t, "({ key: e => e.subject, on: {\n  T: (doc, e) => {\n    return { n: e.data.x.y };\n  } } })")
	_, err := fold(t.Context(), p, eventsOf("T", "{}"), nil)
	require.EqualError(t, err, "TypeError: cannot read property 'y' of undefined (line 3, column 25)")
}

func TestAFoldEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := compile(t, `({ key: e => "k", on: { T: () => { for (;;) {} } } })`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := fold(ctx, p, eventsOf("T", "0", "1"), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// However a batch is divided, the documents are the same as folded one by one.
func TestABatchIsWhatItsEventsAreOneByOne(t *testing.T) {
	t.Parallel()
	source := `({ key: e => e.data.keys, on: { T: (doc, e) => e.data.drop ? null : { sum: ((doc?.sum ?? 0) * 31 + e.data.n) % 1000003, at: e.position } } })`
	datas := []string{}
	for i := range fewer(3000) {
		datas = append(datas, fmt.Sprintf(`{"keys":["k%d","k%d"],"n":%d,"drop":%t}`, i%7, i%61+5, i, i%97 == 0))
	}
	events := eventsOf("T", datas...)
	whole, err := fold(t.Context(), compile(t, source), events, nil)
	require.NoError(t, err)
	single, p := map[string]string{}, compile(t, source)
	for i := range events {
		after, err := fold(t.Context(), p, events[i:i+1], single)
		require.NoError(t, err)
		for key, text := range after {
			single[key] = text
		}
	}
	require.Equal(t, single, whole)
}

func TestSlowEventsAreEachGivenTheirTime(t *testing.T) {
	t.Parallel()
	p := compile(t, `({ key: e => "k" + e.data % 3, on: { T: (doc, e) => { let n = 0; while (n < 5e4) n++; return { n, last: e.data } } } })`)
	datas := []string{}
	n := fewer(300)
	for i := range n {
		datas = append(datas, fmt.Sprint(i))
	}
	got, err := fold(t.Context(), p, eventsOf("T", datas...), nil)
	require.NoError(t, err)
	want := map[string]string{}
	for i := range 3 {
		want[fmt.Sprint("k", i)] = fmt.Sprintf(`{"n":50000,"last":%d}`, n-3+i)
	}
	require.Equal(t, want, got)
}

// Where a batch has more parts than there are sandboxes, its events are loaded again for their handlers, which changes nothing.
func TestWhatKeyDoesToAnEventDoesNotDependOnTheBatch(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`({ key: e => e.data.names.sort()[0] + e.position, on: { T: (doc, e) => e.data.names } })`,
		`(() => { let seen = 0; return { key: e => { seen++; return e.subject }, on: { T: () => seen } } })()`,
	} {
		events := eventsOf("T", slices.Repeat([]string{`{"names":["b","a"]}`}, 1500)...)
		whole, err := fold(t.Context(), compile(t, source), events, nil)
		require.NoError(t, err)
		p := compile(t, source)
		for i := range events[:3] {
			single, err := fold(t.Context(), p, events[i:i+1], nil)
			require.NoError(t, err)
			for key, text := range single {
				require.Equal(t, text, whole[key], key)
			}
		}
	}
}
