package trigger

import (
	"io"
	"log/slog"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"eventstore/handler/logging"
)

// Handler answers the host's calls of the timers: POST /{Name} runs one and answers 200
// when it is done, 500 when it failed. Both have a JSON body: an empty one
// would leave the invocation hanging until the host's functionTimeout. It is to be served
// under the host alone, where no route leads to it from outside.
func Handler(timers []Timer, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	for _, timer := range timers {
		mux.HandleFunc("POST /"+timer.Name, func(w http.ResponseWriter, r *http.Request) {
			ctx := logging.Request(r.Context(), r.Header)
			tick := readTick(http.MaxBytesReader(w, r.Body, maxEnvelope))
			log.DebugContext(ctx, "timer called", "timer", timer.Name, "pastDue", tick.IsPastDue, "last", tick.ScheduleStatus.Last)
			reply(w, timer.run(ctx, log))
		})
	}
	return mux
}

// reply ends an invocation. A failure's cause is in the log; the host discards a failed
// call's body.
func reply(w http.ResponseWriter, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, `{"Outputs":{},"Logs":[],"ReturnValue":null}`)
}

// maxEnvelope is more than any envelope of a timer has.
const maxEnvelope = 1 << 20

// tick is what the host tells about a run. Its times are texts, as the host writes
// 0001-01-01T00:00:00, with no zone, for one that has not been.
type tick struct {
	IsPastDue      bool
	ScheduleStatus struct{ Last, Next, LastUpdated string }
}

// readTick reads the host's envelope: {"Data":{"timer":{…}},"Metadata":{…}}, whatever the
// binding is called, its value an object or a text that holds one. All that it tells is for
// the log, so that an envelope which can't be read is as good as an empty one.
func readTick(body io.Reader) (found tick) {
	var envelope struct{ Data map[string]jsontext.Value }
	if json.UnmarshalRead(body, &envelope, lenient...) != nil {
		return tick{}
	}
	for _, value := range envelope.Data {
		var text string
		if value.Kind() == '"' && json.Unmarshal(value, &text, lenient...) == nil {
			value = jsontext.Value(text)
		}
		if json.Unmarshal(value, &found, lenient...) == nil {
			return found
		}
	}
	return tick{}
}

var lenient = []json.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), json.MatchCaseInsensitiveNames(true)}
