package linearizability

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"eventstore/test/app"
	"eventstore/test/faults/report"
)

// One client at a time, through two processes: every answer is the model's, whatever ids, contents and conditions it publishes.
func TestThePublisherAnswersAsTheModelDoes(t *testing.T) {
	t.Parallel()
	row := report.Begin(t, "random sequences", "HTTP over fs")
	settings, topics := "EVENTSTORE_STORE=fs:"+t.TempDir(), 0
	w := &web{t: t, servers: []*app.Server{app.Local(t, settings), app.Local(t, settings)}}
	report.Sequences(t, 20, 1000)
	rapid.Check(t, func(rt *rapid.T) {
		topics++
		w.name = fmt.Sprintf("orders-%d", topics)
		w.servers[0].CreateTopic(t, map[string]any{"name": w.name})
		now, commands := empty, 0
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				in := drawInput(rt, now)
				verdict, first, next := now.publish(in)
				require.Equal(rt, output{verdict: verdict, first: first}, w.publish(rapid.IntRange(0, 1).Draw(rt, "process"), in), describe(in, output{}))
				now = next
			},
			"read": func(rt *rapid.T) {
				got, err := w.read(rapid.IntRange(0, 1).Draw(rt, "process"))
				require.NoError(rt, err)
				require.Equal(rt, [2]any{now.length, now.digest}, [2]any{got.head, got.digest})
			},
			"head": func(rt *rapid.T) {
				got, err := w.head(rapid.IntRange(0, 1).Draw(rt, "process"))
				require.NoError(rt, err)
				require.Equal(rt, now.length, got.head)
			},
			"": func(*rapid.T) { commands++ },
		})
		row.Inject(1)
		row.Count("sequences", 1)
		row.Count("commands", commands)
		row.Count("divergences", 0)
	})
}

func drawInput(t *rapid.T, now *state) input {
	in := input{kind: publish, name: fmt.Sprint("r", rapid.IntRange(0, 15).Draw(t, "name")), expected: -1}
	in.events = 1 + len(in.name)%3 // a name is always of as many events, so that it is one request repeated
	in.subject = subjects[len(in.name)%len(subjects)]
	in.content = rapid.IntRange(0, 1).Draw(t, "content")
	switch rapid.IntRange(0, 2).Draw(t, "condition") {
	case 0:
		in.expected = max(0, now.length-rapid.IntRange(-1, 1).Draw(t, "behind"))
	case 1:
		in.failSubject = rapid.SampledFrom(subjects).Draw(t, "subject")
		in.after = max(0, now.length-rapid.IntRange(-1, 5).Draw(t, "after"))
	}
	return in
}
