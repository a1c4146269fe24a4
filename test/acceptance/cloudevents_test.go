package acceptance_test

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"eventstore/test/app"
)

func TestCloudEventsSDKsAcceptWhatIsAnswered(t *testing.T) {
	all := real(t)
	everywhere(t, func(t *testing.T, server *app.Server) {
		publishAll(t, server, all)
		requireGoReads(t, server, all)
		requireJavaScriptReads(t, server, all)
	})
}

// requireGoReads has the Go SDK read the whole topic as a batch.
func requireGoReads(t *testing.T, server *app.Server, all []payload) {
	t.Helper()
	answer := server.Do(t, "GET", "/topics/github/events?limit=10000", nil, "Accept", "application/cloudevents-batch+json")
	require.Equal(t, "application/cloudevents-batch+json", answer.Header.Get("Content-Type"))
	var batch []cloudevents.Event
	answer.JSON(t, &batch)
	require.Len(t, batch, len(all))
	for i, e := range batch {
		require.NoError(t, e.Validate())
		require.Equal(t, []string{all[i].ID, all[i].Type, all[i].Subject}, []string{e.ID(), e.Type(), e.Subject()})
		require.Equal(t, fmt.Sprintf("%020d", i+1), e.Extensions()["sequence"])
		require.JSONEq(t, all[i].Data, string(e.Data()))
	}
}

// node runs the JavaScript SDK against the topic.
func node(t *testing.T, server *app.Server, mode string, into any, more ...string) {
	t.Helper()
	arguments := append([]string{"cloudevents.mjs", mode, server.URL + "/topics/github/events", server.Key}, more...)
	command := exec.CommandContext(t.Context(), "node", arguments...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	require.NoError(t, err)
	require.NoError(t, app.Decode(output, into))
}

func requireJavaScriptReads(t *testing.T, server *app.Server, all []payload) {
	t.Helper()
	var events []struct {
		ID, Type, Subject, Sequence string
		Data                        jsontext.Value
	}
	node(t, server, "read", &events)
	require.Len(t, events, len(all))
	for i, e := range events {
		require.Equal(t, []string{all[i].ID, all[i].Type, all[i].Subject, fmt.Sprintf("%020d", i+1)}, []string{e.ID, e.Type, e.Subject, e.Sequence})
		require.JSONEq(t, all[i].Data, string(e.Data))
	}
}

// The SDKs write data each in its own way (escapes, numbers), so what they published is compared as values, but
// for the binary mode of Go, which sends the bytes it was given.
func TestCloudEventsSDKsPublish(t *testing.T) {
	every := real(t)
	everywhere(t, func(t *testing.T, server *app.Server) {
		all := every
		if slow := strings.HasSuffix(t.Name(), "blob") || strings.HasSuffix(t.Name(), "postgres"); slow && os.Getenv("EVENTSTORE_TEST_LONG") == "" {
			all = every[:60] // each is a commit of its own, four times over
		}
		for _, client := range []struct {
			prefix  string
			publish func(t *testing.T, server *app.Server, prefix string, all []payload) (statuses []int)
		}{
			{"go-binary-", goPublishes(cloudevents.WithEncodingBinary, func(p payload) any { return []byte(p.Sent) })},
			{"go-structured-", goPublishes(cloudevents.WithEncodingStructured, func(p payload) any { return stdjson.RawMessage(p.Sent) })},
			{"js-structured-", javaScriptPublishes("structured")},
			{"js-binary-", javaScriptPublishes("binary")},
		} {
			statuses := client.publish(t, server, client.prefix, all)
			require.Len(t, statuses, len(all), client.prefix)
			for i, status := range statuses {
				require.Equal(t, 201, status, "%s%s", client.prefix, all[i].ID)
			}
			events := read(t, server, fmt.Sprintf("limit=%d&direction=backward", len(all)), 1)
			slices.Reverse(events)
			requirePublished(t, client.prefix, all, events)
		}
	})
}

func requirePublished(t *testing.T, prefix string, all []payload, events []event) {
	t.Helper()
	require.Len(t, events, len(all))
	for i, e := range events {
		require.Equal(t, []string{prefix + all[i].ID, all[i].Type, all[i].Subject}, []string{e.ID, e.Type, e.Subject})
		require.Contains(t, string(e.Metadata), `"number":`, prefix)
		require.JSONEq(t, all[i].Data, string(e.Data), e.ID)
		if prefix == "go-binary-" {
			require.Equal(t, all[i].Data, string(e.Data), e.ID)
		}
	}
}

// goPublishes publishes with the Go SDK's own client.
func goPublishes(encoding func(context.Context) context.Context, data func(payload) any) func(*testing.T, *app.Server, string, []payload) []int {
	return func(t *testing.T, server *app.Server, prefix string, all []payload) (statuses []int) {
		t.Helper()
		protocol, err := cloudevents.NewHTTP(cloudevents.WithTarget(server.URL+"/topics/github/events"),
			cloudevents.WithHeader("x-functions-key", server.Key), cloudevents.WithRoundTripper(http.DefaultTransport))
		require.NoError(t, err)
		client, err := cloudevents.NewClient(protocol)
		require.NoError(t, err)
		for i, p := range all {
			e := cloudevents.NewEvent()
			e.SetID(prefix + p.ID)
			e.SetType(p.Type)
			e.SetSource("https://github.com")
			if p.Subject != "" {
				e.SetSubject(p.Subject)
			}
			e.SetExtension("number", i+1)
			require.NoError(t, e.SetData(cloudevents.ApplicationJSON, data(p)))
			result := client.Send(encoding(t.Context()), e)
			require.True(t, cloudevents.IsACK(result), "%s: %v", p.ID, result)
			statuses = append(statuses, statusOf(t, result))
		}
		return statuses
	}
}

// statusOf takes the status out of what the SDK says.
func statusOf(t *testing.T, result error) (status int) {
	t.Helper()
	_, err := fmt.Sscanf(result.Error()[strings.IndexAny(result.Error(), "0123456789"):], "%d", &status)
	require.NoError(t, err, result.Error())
	return status
}

func javaScriptPublishes(mode string) func(*testing.T, *app.Server, string, []payload) []int {
	return func(t *testing.T, server *app.Server, prefix string, all []payload) (statuses []int) {
		t.Helper()
		node(t, server, mode, &statuses, prefix, fmt.Sprint(len(all)))
		return statuses
	}
}
