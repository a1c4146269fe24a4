package linearizability

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"eventstore/test/app"
)

// web is a topic of running servers. Its servers may be replaced, and not answer.
type web struct {
	t    testing.TB
	name string

	mu      sync.Mutex
	servers []*app.Server // guarded by mu; a client's is the one at its number
}

func (w *web) server(client int) *app.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.servers[client%len(w.servers)]
}

func (w *web) replace(i int, server *app.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[i] = server
}

func (w *web) publish(client int, in input) output {
	request := w.server(client).Request(w.t, "POST", "/topics/"+w.name+"/events", body(in), "Content-Type", "application/json")
	if in.expected >= 0 {
		request.Header.Set("If-Match", fmt.Sprintf(`"%d"`, in.expected))
	}
	answer, err := app.Send(request)
	if err != nil {
		return output{verdict: unknown}
	}
	var result struct {
		First   int
		Outcome string
	}
	if err := app.Decode([]byte(answer.Body), &result); err != nil {
		w.t.Errorf("%d: %s: %v", answer.Status, answer.Body, err)
	}
	switch answer.Status {
	case http.StatusCreated:
		return output{verdict: stored, first: result.First}
	case http.StatusOK:
		return output{verdict: duplicate, first: result.First}
	case http.StatusConflict:
		return output{verdict: idConflict}
	case http.StatusPreconditionFailed:
		return output{verdict: conditionFailed}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusGatewayTimeout, http.StatusInternalServerError:
		if result.Outcome == "not-stored" {
			return output{verdict: busy}
		}
		return output{verdict: unknown}
	}
	w.t.Errorf("%s was answered with %d: %s", describe(in, output{}), answer.Status, answer.Body)
	return output{verdict: unknown}
}

func body(in input) string {
	var events []string
	for n := range in.events {
		events = append(events, fmt.Sprintf(`{"id":"%s-%d","type":"T","subject":%q,"data":%d}`, in.name, n, in.subject, in.content))
	}
	condition := ""
	if in.failSubject != "" {
		condition = fmt.Sprintf(`,"condition":{"failIfMatch":[{"subjects":[%q]}],"after":%d}`, in.failSubject, in.after)
	}
	return `{"events":[` + strings.Join(events, ",") + `]` + condition + `}`
}

func (w *web) read(client int) (output, error) {
	answer, err := app.Send(w.server(client).Request(w.t, "GET", "/topics/"+w.name+"/events?limit=10000", nil))
	if err != nil || answer.Status != http.StatusOK {
		return output{}, notAnswered(answer, err)
	}
	var page struct {
		Head   int
		Events []struct {
			Position    int
			ID, Subject string
			Data        int
		}
	}
	if err := app.Decode([]byte(answer.Body), &page); err != nil {
		return output{}, err
	}
	out := output{head: page.Head}
	for i, e := range page.Events {
		if e.Position != i+1 {
			w.t.Errorf("position %d comes at place %d", e.Position, i+1)
		}
		out.digest = chain(out.digest, e.ID, e.Subject, e.Data)
		if name, first := strings.CutSuffix(e.ID, "-0"); first {
			out.seen = append(out.seen, seen{key{name, e.Data}, e.Position})
		}
	}
	if len(page.Events) != page.Head {
		w.t.Errorf("%d events up to the head %d", len(page.Events), page.Head)
	}
	return out, nil
}

func (w *web) head(client int) (output, error) {
	answer, err := app.Send(w.server(client).Request(w.t, "HEAD", "/topics/"+w.name+"/events", nil))
	if err != nil || answer.Status != http.StatusOK {
		return output{}, notAnswered(answer, err)
	}
	var out output
	_, err = fmt.Sscanf(answer.Header.Get("ETag"), `"%d"`, &out.head)
	return out, err
}

func notAnswered(answer app.Answer, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("answered with %d: %s", answer.Status, answer.Body)
}
