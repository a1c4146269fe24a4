package functionshost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"eventstore/handler/trigger"
)

// ErrHangs is a reply that the host does not take for an end of the invocation: it would wait
// until functionTimeout, and then kill the handler.
var ErrHangs = errors.New("the reply leaves the invocation hanging")

// RunTimer calls a timer function, as its schedule or an operator would, and reports whether the
// invocation succeeded.
func (h *Host) RunTimer(ctx context.Context, name string) error {
	f := h.timer(name)
	if f == nil {
		return fmt.Errorf("there is no timer function %q", name)
	}
	err := h.invoke(ctx, f, h.envelope(f))
	h.lastRuns.Store(f.name, time.Now())
	if err != nil {
		h.console.note("Error", fmt.Sprintf("Executed 'Functions.%s' (Failed): %v", f.name, err))
	}
	return err
}

func (h *Host) timer(name string) *function {
	for _, f := range h.app.functions {
		if f.isTimer && strings.EqualFold(f.name, name) {
			return f
		}
	}
	return nil
}

// envelope is what the host tells a timer. The status is that before this run.
func (h *Host) envelope(f *function) string {
	status := "null"
	if f.trigger.UseMonitor == nil || *f.trigger.UseMonitor {
		last := "0001-01-01T00:00:00"
		if at, ran := h.lastRuns.Load(f.name); ran {
			last = at.(time.Time).UTC().Format("2006-01-02T15:04:05.0000000+00:00")
		}
		status = fmt.Sprintf(`{"Last":%[1]q,"Next":%[2]q,"LastUpdated":%[1]q}`, last, time.Now().UTC().Format("2006-01-02T15:04:05+00:00"))
	}
	return fmt.Sprintf(`{"Data":{%q:{"Schedule":{"AdjustForDST":true},"ScheduleStatus":%s,"IsPastDue":false}},`+
		`"Metadata":{"sys":{"MethodName":%q,"UtcNow":%q,"RandGuid":"35e6e68c-0000-4000-8000-000000000000"}}}`,
		f.trigger.Name, status, f.name, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// invoke posts an envelope, without a length, and judges the reply.
func (h *Host) invoke(ctx context.Context, f *function, envelope string) error {
	ctx, cancel := h.withTimeout(ctx)
	defer cancel()
	address, err := h.worker.address(ctx)
	if err != nil {
		return err
	}
	// MultiReader hides the length, so that the body is chunked.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/"+f.name, io.MultiReader(strings.NewReader(envelope)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	h.sign(request.Header)
	response, err := h.client.Do(request)
	if err != nil {
		return h.failed(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return h.failed(err)
	}
	return judge(response, body)
}

// judge tells what the host makes of a reply.
func judge(response *http.Response, body []byte) error {
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	trimmed := bytes.TrimSpace(body)
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		return fmt.Errorf("the handler answered %d", response.StatusCode)
	case len(trimmed) == 0, string(trimmed) == "null":
		return ErrHangs
	case media != "application/json" && media != "text/json":
		return fmt.Errorf("No MediaTypeFormatter is available to read an object of type 'HttpScriptInvocationResult' from content with media type %q", media)
	}
	var reply struct {
		Outputs     map[string]jsontext.Value
		Logs        []string
		ReturnValue jsontext.Value
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return fmt.Errorf("Invalid HttpResponseMessage: %s: %w", body, err)
	}
	return nil
}

// runSchedules runs every timer on its schedule until ctx ends. One whose schedule is not
// set, or wrong, fails alone.
func (h *Host) runSchedules(ctx context.Context) {
	var running sync.WaitGroup
	for _, f := range h.app.functions {
		if !f.isTimer || h.disabled(f) {
			continue
		}
		schedule, err := trigger.ParseSchedule(h.resolve(f.trigger.Schedule))
		if err != nil {
			h.console.note("Error", fmt.Sprintf("The listener for function 'Functions.%s' was unable to start: %v", f.name, err))
			continue
		}
		running.Go(func() { h.runSchedule(ctx, f, schedule) })
	}
	running.Wait()
}

// resolve replaces a whole value %NAME% by that setting.
func (h *Host) resolve(value string) string {
	name, is := strings.CutPrefix(value, "%")
	if !is {
		return value
	}
	resolved, _ := h.setting(strings.TrimSuffix(name, "%"))
	return resolved
}

func (h *Host) runSchedule(ctx context.Context, f *function, schedule trigger.Schedule) {
	for begun := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(schedule.Next(begun))):
		}
		begun = time.Now()
		h.RunTimer(ctx, f.name)
	}
}
