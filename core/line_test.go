package core_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"eventstore/core"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func full() core.Event {
	return core.Event{
		ID: "a\"b\\c", Type: "OrderPlaced", Source: "/shop", Subject: "order-é", Tags: []string{"x", "y z"},
		Time: noon.Add(time.Microsecond), DataContentType: "application/json",
		Data: `{"n":1.50e+3,"s":"\u0000\/😀"}`, Metadata: `{"k":"v","n":1.0,"b":true}`, More: true,
	}
}

// The golden lines pin the stored format: a change here breaks every stored chain.
func TestGoldenLines(t *testing.T) {
	sealed, head := core.Seal(core.Head{}, noon, []core.Event{full(), {ID: "b", Type: "T", Source: "s", DataBase64: "AAE="}})
	body := `{"position":1,"id":"a\"b\\c","type":"OrderPlaced","source":"/shop","subject":"order-é","tags":["x","y z"],` +
		`"time":"2026-11-22T12:00:00.000001Z","recorded":"2026-11-22T12:00:00.000000Z","more":true,` +
		`"dataContentType":"application/json","data":{"n":1.50e+3,"s":"\u0000\/😀"},"metadata":{"k":"v","n":1.0,"b":true}`
	first := sha256.Sum256(append(make([]byte, 32), body+"}"...))
	require.Equal(t, body+`,"hash":"`+core.Hash(first).String()+`"}`, sealed[0].Line())
	require.Equal(t, "949ea06a32eeea05d028811c64a266ce56969ba55944316012ecd75578eecbd6", sealed[0].Hash.String())

	body = `{"position":2,"id":"b","type":"T","source":"s","time":"2026-11-22T12:00:00.000000Z","recorded":"2026-11-22T12:00:00.000000Z","dataBase64":"AAE="`
	second := sha256.Sum256(append(first[:], body+"}"...))
	require.Equal(t, body+`,"hash":"`+core.Hash(second).String()+`"}`, sealed[1].Line())
	require.Equal(t, core.Head{Position: 2, Hash: second, Recorded: noon}, head)
}

func TestFrozenEscapes(t *testing.T) {
	for text, want := range map[string]string{
		"":                             `""`,
		"plain":                        `"plain"`,
		`"\/`:                          `"\"\\/"`,
		"\b\f\n\r\t":                   `"\b\f\n\r\t"`,
		"\x00\x01\x0b\x1f":             `"\u0000\u0001\u000b\u001f"`,
		"\x7f\u0080é😀\u2028<&>":        "\"\x7f\u0080é😀\u2028<&>\"",
		"cut \xff\xc3":                 "\"cut \uFFFD\uFFFD\"",
		"a\"" + strings.Repeat("é", 3): `"a\"ééé"`,
	} {
		require.Equal(t, want, string(core.AppendString(nil, text)), "%q", text)
	}
}

func TestSealingKeepsOrderOfTimes(t *testing.T) {
	late := core.Head{Position: 9, Recorded: noon.Add(time.Hour)}
	sealed, head := core.Seal(late, noon, []core.Event{{ID: "a", Type: "T", Source: "s"}})
	require.Equal(t, late.Recorded, sealed[0].Recorded, "recorded never decreases, whatever the clock says")
	require.Equal(t, late.Recorded, sealed[0].Time, "an absent time is recorded")
	require.Equal(t, core.Position(10), head.Position)

	again, _ := core.Seal(core.Head{Position: 20, Recorded: noon.Add(2 * time.Hour)}, noon, sealed)
	require.Equal(t, noon.Add(2*time.Hour), again[0].Recorded)
	require.Equal(t, core.Position(10), sealed[0].Position, "the caller's events stay as they were")
}

func TestSealingAgainAtOneHeadGivesTheSameBytes(t *testing.T) {
	event := full()
	event.Recorded = noon
	once, _ := core.Seal(core.Head{Position: 3}, noon, []core.Event{event})
	twice, _ := core.Seal(core.Head{Position: 3}, noon.Add(time.Minute), once)
	require.Equal(t, once[0].Line(), twice[0].Line())
}

func TestALineIsReadAsItWasWritten(t *testing.T) {
	for name, change := range map[string]func(*core.Event){
		"full":                func(*core.Event) {},
		"no subject":          func(e *core.Event) { e.Subject = "" },
		"no tags":             func(e *core.Event) { e.Tags = nil },
		"no data":             func(e *core.Event) { e.Data = "" },
		"data null":           func(e *core.Event) { e.Data = "null" },
		"data a number":       func(e *core.Event) { e.Data = "-0" },
		"data a string":       func(e *core.Event) { e.Data = `"a,\"metadata\":{\\"` },
		"data like metadata":  func(e *core.Event) { e.Data = `{"metadata":{"a":1},"hash":"}"}`; e.Metadata = "" },
		"base64":              func(e *core.Event) { e.Data, e.DataBase64 = "", "AAEC" },
		"no metadata":         func(e *core.Event) { e.Metadata = "" },
		"controls in the id":  func(e *core.Event) { e.ID = "\x01\n\"\\" },
		"a time in year zero": func(e *core.Event) { e.Time = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		event := full()
		change(&event)
		sealed, _ := core.Seal(core.Head{Position: 41}, noon, []core.Event{event})
		got, err := core.ParseLine(sealed[0].Line())
		require.NoError(t, err, name)
		require.Equal(t, sealed[0], got, name)
	}
}

// A line that was tampered with is refused by the parser or by the chain, whatever byte it is.
func TestEveryChangedByteIsFound(t *testing.T) {
	sealed, _ := core.Seal(core.Head{}, noon, []core.Event{full()})
	line := []byte(sealed[0].Line())
	for i := range line {
		for bit := range 8 {
			line[i] ^= 1 << bit
			require.Error(t, core.NewChain(core.Hash{}).Next(line), "byte %d, bit %d", i, bit)
			line[i] ^= 1 << bit
		}
	}
	for n := range len(line) {
		require.Error(t, core.NewChain(core.Hash{}).Next(line[:n]), "cut to %d bytes", n)
		_, err := core.ParseLine(string(line[:n]))
		require.ErrorIs(t, err, core.ErrCorrupt)
	}
}

func TestChainKeepsItsPlaceAfterAnError(t *testing.T) {
	sealed, head := core.Seal(core.Head{}, noon, []core.Event{full(), full()})
	chain := core.NewChain(core.Hash{})
	require.ErrorIs(t, chain.NextEvent(&sealed[1]), core.ErrCorrupt)
	require.NoError(t, chain.NextEvent(&sealed[0]))
	require.NoError(t, chain.NextEvent(&sealed[1]))
	require.Equal(t, head.Hash, chain.Hash())
}

func TestLinesThatTheEncoderNeverWritesAreRefused(t *testing.T) {
	sealed, _ := core.Seal(core.Head{}, noon, []core.Event{full()})
	good := sealed[0].Line()
	for name, line := range map[string]string{
		"empty":              "",
		"white space":        strings.Replace(good, `,"id"`, `, "id"`, 1),
		"another order":      `{"id":"a","position":1}`,
		"a leading zero":     strings.Replace(good, `"position":1`, `"position":01`, 1),
		"position zero":      strings.Replace(good, `"position":1`, `"position":0`, 1),
		"a huge position":    strings.Replace(good, `"position":1`, `"position":9223372036854775808`, 1),
		"a short time":       strings.Replace(good, `.000001Z`, `.00001Z`, 1),
		"a foreign escape":   strings.Replace(good, `a\"b`, `\u0041`, 1),
		"a long escape":      strings.Replace(good, `a\"b`, `\u000a`, 1),
		"an empty text":      strings.Replace(good, `a\"b\\c`, ``, 1),
		"an unknown escape":  strings.Replace(good, `a\"b`, `\x`, 1),
		"an upper-case hash": good[:len(good)-66] + strings.ToUpper(good[len(good)-66:]),
		"something behind":   good + " ",
		"two lines":          good + "\n" + good,
	} {
		_, err := core.ParseLine(line)
		require.ErrorIs(t, err, core.ErrCorrupt, name)
	}
}

func TestSizeIsWhatThePublisherSent(t *testing.T) {
	event := core.Event{Type: "T", Data: `"x"`}
	require.Equal(t, len(`{"type":"T","data":"x"}`), event.Size())
	sealed, _ := core.Seal(core.Head{}, noon, []core.Event{{ID: "i", Type: "T", Source: "s", Time: noon}})
	require.Equal(t, len(`{"id":"i","type":"T","source":"s","time":"2026-11-22T12:00:00.000000Z"}`), sealed[0].Size())
}

func FuzzParseLine(f *testing.F) {
	sealed, _ := core.Seal(core.Head{}, noon, []core.Event{full(), {ID: "b", Type: "T", Source: "s", DataBase64: "AAE="}})
	f.Add(sealed[0].Line())
	f.Add(sealed[1].Line())
	f.Add(`{"position":1,"id":"\u00`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := core.ParseLine(line)
		if err != nil {
			require.ErrorIs(t, err, core.ErrCorrupt)
			return
		}
		afresh := core.Event{Position: e.Position, ID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, Tags: e.Tags,
			Time: e.Time, Recorded: e.Recorded, More: e.More, DataContentType: e.DataContentType, Data: e.Data,
			DataBase64: e.DataBase64, Metadata: e.Metadata, Hash: e.Hash}
		if utf8.ValidString(line) { // the encoder mends what is not
			require.Equal(t, line, afresh.Line())
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	event := full()
	for b.Loop() {
		core.Seal(core.Head{}, noon, []core.Event{event})
	}
}

func BenchmarkReadLine(b *testing.B) {
	event := core.Event{ID: "0193a1f2-5c7e-7d11-9a34-3f0c9f6d1b2a", Type: "OrderPlaced", Source: "/topics/orders", Subject: "order-17",
		Time: noon, DataContentType: "application/json", Data: `{"total":19.5,"customer":"c-9"}`}
	sealed, _ := core.Seal(core.Head{}, noon, []core.Event{event})
	line := sealed[0].Line()
	bytes := []byte(line)
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			_, _ = core.ParseLine(line)
		}
	})
	b.Run("check", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		chain := core.NewChain(core.Hash{})
		for b.Loop() {
			*chain = *core.NewChain(core.Hash{})
			_ = chain.Next(bytes)
		}
	})
}
