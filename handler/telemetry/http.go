package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HTTP records each request that next answers: its route, topic and status, never its query, in which a key may stand. A
// span goes on with the trace of traceparent, whatever its flags. next tells the route to its ResponseWriter, which has a
// method Answers(route, topic string).
func (t *Telemetry) HTTP(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w, began: time.Now(), method: methodOf(r.Method)}
		if t.tracer != nil {
			ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			ctx, a.span = t.tracer.Start(ctx, a.method, trace.WithSpanKind(trace.SpanKindServer))
			r = r.WithContext(ctx)
		}
		defer t.answered(r, a)
		next.ServeHTTP(a, r)
		a.returned = true
	})
}

// Remote has what r causes go on with the trace of its traceparent.
func (t *Telemetry) Remote(r *http.Request) *http.Request {
	if t == nil || t.tracer == nil {
		return r
	}
	return r.WithContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
}

// answer sees what is answered.
type answer struct {
	http.ResponseWriter
	began                time.Time
	method, route, topic string
	status               int
	returned             bool // and did not panic
	span                 trace.Span
}

// Answers is told which route answers.
func (a *answer) Answers(route, topic string) { a.route, a.topic = route, topic }

// WriteHeader notes the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write notes that the status is 200, where none was written.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// answered records a request that is over. It is called while a panic goes through, too.
func (t *Telemetry) answered(r *http.Request, a *answer) {
	switch {
	case a.status == 0 && a.returned:
		a.status = http.StatusOK
	case a.status == 0:
		a.status = http.StatusInternalServerError
	}
	if a.route == "" {
		a.route = "other"
	}
	if t.recorder != nil {
		of := t.recorder.of("http", ofRequest, a.method, a.route, statusText(a.status))
		t.recorder.requests.Record(r.Context(), time.Since(a.began).Seconds(), of.record...)
	}
	if a.span != nil {
		a.finish()
	}
}

var ofRequest = []attribute.Key{keyMethod, keyRoute, keyStatus}

// finish ends the request's span.
func (a *answer) finish() {
	a.span.SetName(a.method + " " + a.route)
	a.span.SetAttributes(keyMethod.String(a.method), keyRoute.String(a.route), keyStatus.Int(a.status))
	if a.topic != "" {
		a.span.SetAttributes(keyTopic.String(clip(a.topic)))
	}
	if a.status >= http.StatusInternalServerError || !a.returned {
		a.span.SetStatus(codes.Error, "")
	}
	a.span.End()
}

// methodOf is a method, of those that there are.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return method
	}
	return "_OTHER"
}

func statusText(status int) string {
	if status < 0 || status >= len(statusTexts) {
		return "0"
	}
	return statusTexts[status]
}

// statusTexts are written once: writing one for each request is a good part of what recording it takes.
var statusTexts = func() (texts [600]string) {
	for status := range texts {
		texts[status] = strconv.Itoa(status)
	}
	return texts
}()
