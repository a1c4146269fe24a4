package cloudevents_test

import (
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/cloudevents"
	"eventstore/core/coretest"
)

var when = time.Date(2026, 11, 22, 20, 49, 0, 123456000, time.UTC)

func TestAppend(t *testing.T) {
	t.Parallel()
	common := core.Event{Position: 42, ID: "a", Type: "OrderPlaced", Source: "/shop", Time: when, Recorded: when.Add(time.Second)}
	const head = `{"specversion":"1.0","id":"a","source":"/shop","type":"OrderPlaced"`
	const times = `,"sequence":"00000000000000000042","recordedtime":"2026-11-22T20:49:01.123456Z"`
	zero := core.Hash{}.String()
	for _, tt := range []struct {
		name   string
		change func(*core.Event)
		want   string
	}{
		{"what is absent is left out", func(*core.Event) {},
			head + `,"time":"2026-11-22T20:49:00.123456Z"` + times + `,"hash":"` + zero + `"}`},
		{"every field has its attribute", func(e *core.Event) {
			e.Subject, e.Tags, e.More, e.DataContentType = "order 1", []string{"x", "y:1"}, true, "application/json"
			e.Data, e.Metadata = `{"b":1.50,"a":"\u00e9"}`, `{"traceparent":"00-1"}`
		}, head + `,"subject":"order 1","time":"2026-11-22T20:49:00.123456Z","datacontenttype":"application/json"` + times +
			`,"more":true,"tags":"x,y:1","hash":"` + zero + `","traceparent":"00-1","data":{"b":1.50,"a":"\u00e9"}}`},
		{"bytes travel as base64", func(e *core.Event) { e.DataBase64 = "AAEC/w==" },
			head + `,"time":"2026-11-22T20:49:00.123456Z"` + times + `,"hash":"` + zero + `","data_base64":"AAEC/w=="}`},
		{"numbers that CloudEvents does not have become strings", func(e *core.Event) {
			e.Metadata = `{"yes":true,"small":-7,"big":2147483648,"part":1.5,"power":1e3,"quoted":"a \"b\""}`
		}, head + `,"time":"2026-11-22T20:49:00.123456Z"` + times + `,"hash":"` + zero +
			`","yes":true,"small":-7,"big":"2147483648","part":"1.5","power":"1e3","quoted":"a \"b\""}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := common
			tt.change(&e)
			require.Equal(t, tt.want, string(cloudevents.Append(nil, &e)))
		})
	}
}

func TestTheCloudEventsSDKReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	sealed, _ := core.Seal(core.Head{}, when, coretest.Samples(0, 30))
	var batch []sdk.Event
	require.NoError(t, json.Unmarshal(cloudevents.AppendBatch(nil, sealed), &batch))
	require.Len(t, batch, len(sealed))
	for i, got := range batch {
		want := sealed[i]
		require.NoError(t, got.Validate())
		require.Equal(t, want.ID, got.ID())
		require.Equal(t, want.Type, got.Type())
		require.Equal(t, want.Source, got.Source())
		require.Equal(t, want.Subject, got.Subject())
		require.Equal(t, want.DataContentType, got.DataContentType())
		require.True(t, want.Time.Equal(got.Time()))
		require.Equal(t, cloudevents.Sequence(want.Position), got.Extensions()["sequence"])
		require.Equal(t, want.Hash.String(), got.Extensions()["hash"])
		if want.Data != "" {
			require.Equal(t, want.Data, string(got.Data()), "data is kept byte for byte")
		} else {
			require.Equal(t, []byte{0, 1, 2, 255}, got.Data())
		}
	}
}

func TestAnEmptyBatchIsAnArray(t *testing.T) {
	t.Parallel()
	require.Equal(t, "[]", string(cloudevents.AppendBatch(nil, nil)))
}
