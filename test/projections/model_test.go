package projections_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"eventstore/core"
	"eventstore/core/projections"
)

// repository is a document of the model: what the events say of a repository, or of who acted.
type repository struct {
	Events int    `json:"events"`
	Stars  int    `json:"stars"`
	Last   string `json:"last"`
}

// activity is what the model reads of an event's data; the field names are those of GitHub's payloads.
type activity struct {
	Action     string   `json:"action,omitempty"`
	Ref        string   `json:"ref,omitempty"`
	Repository *subject `json:"repository,omitempty"`
	Sender     *account `json:"sender,omitempty"`
}

type subject struct {
	ID            int64    `json:"id"`
	NodeID        string   `json:"node_id"`
	FullName      string   `json:"full_name"`
	DefaultBranch string   `json:"default_branch"`
	Size          int      `json:"size"`
	Stars         int      `json:"stargazers_count"`
	OpenIssues    int      `json:"open_issues_count"`
	Owner         *account `json:"owner,omitempty"`
}

type account struct {
	Login string `json:"login"`
	ID    int64  `json:"id"`
	Type  string `json:"type"`
}

// payload is one of GitHub's webhook payloads, whole and cut down to what the model reads.
type payload struct{ kind, repository, whole, cut string }

var payloads = sync.OnceValues(func() (all []payload, err error) {
	text, err := os.ReadFile("../node_modules/@octokit/webhooks-examples/api.github.com/index.json")
	if err != nil {
		return nil, fmt.Errorf("the examples are not installed: run `npm ci` in test/: %w", err)
	}
	var kinds []struct {
		Name     string
		Examples []json.RawMessage
	}
	if err := json.Unmarshal(text, &kinds); err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		for _, example := range kind.Examples {
			var read activity
			if err := json.Unmarshal(example, &read); err != nil {
				return nil, err
			}
			cut, err := json.Marshal(read)
			if err != nil {
				return nil, err
			}
			var whole bytes.Buffer
			if err := json.Compact(&whole, example); err != nil {
				return nil, err
			}
			p := payload{kind: kind.Name, repository: "none", whole: whole.String(), cut: string(cut)}
			if read.Repository != nil {
				p.repository = read.Repository.FullName
			}
			all = append(all, p)
		}
	}
	return all, nil
})

// events makes n events over so many repositories, of the fields of GitHub's payloads; so many of them, spread evenly, hold the whole
// payload.
func events(t *testing.T, n, repositories, whole int) []core.Event {
	examples, err := payloads()
	require.NoError(t, err)
	all := make([]core.Event, n)
	for i := range all {
		p := examples[i%len(examples)]
		all[i] = core.Event{ID: fmt.Sprintf("delivery-%d", i), Type: p.kind, Source: "https://github.com", Subject: fmt.Sprintf("%s-%d", p.repository, i*7919%repositories),
			DataContentType: core.DefaultContentType, Data: p.cut}
		if i*whole/n != (i+1)*whole/n {
			all[i].Data = p.whole
		}
	}
	return all
}

// definition counts events, each as many times as weight says: in JavaScript, or by the handler that is built in.
func definition(weight int, scripted bool) projections.Definition {
	d := projections.Definition{Topics: []string{"github"}}
	if scripted {
		d.Source = fmt.Sprintf(source, weight)
	} else {
		d.Handler = fmt.Sprintf("weight-%d", weight)
	}
	return d
}

// kindsFolded are those of the payloads that make up more than half of them; the others are not folded.
var kindsFolded = []string{"issues", "pull_request", "discussion", "release", "repository", "check_run", "issue_comment", "push", "label", "workflow_job", "create", "delete",
	"check_suite", "project_card", "commit_comment", "milestone"}

// source is the model in JavaScript: several keys an event, and deletions.
const source = `(() => {
  const weight = %d;
  const count = (doc, e) => ({ events: (doc?.events ?? 0) + weight, stars: (doc?.stars ?? 0) + (e.data.repository?.stargazers_count ?? 0), last: e.id });
  return {
    key: e => e.type === "delete" || !e.data.sender ? e.subject : [e.subject, "by/" + e.data.sender.login],
    on: {
      issues: count, pull_request: count, discussion: count, release: count, repository: count, check_run: count, issue_comment: count,
      push: count, label: count, workflow_job: count, create: count, delete: () => null, check_suite: count, project_card: count, commit_comment: count, milestone: count,
    },
  };
})()`

func handlers() (all []projections.Handler) {
	for _, weight := range []int{1, 2, 3} {
		all = append(all, projections.Typed(fmt.Sprintf("weight-%d", weight), kindsFolded, keysOf,
			func(doc *repository, e *core.Event) (*repository, error) { return fold(doc, e, weight) }))
	}
	return all
}

func keysOf(e *core.Event) ([]string, error) {
	var read activity
	if err := json.Unmarshal([]byte(e.Data), &read); err != nil {
		return nil, err
	}
	if e.Type == "delete" || read.Sender == nil {
		return []string{e.Subject}, nil
	}
	return []string{e.Subject, "by/" + read.Sender.Login}, nil
}

func fold(doc *repository, e *core.Event, weight int) (*repository, error) {
	if e.Type == "delete" {
		return nil, nil
	}
	var read activity
	if err := json.Unmarshal([]byte(e.Data), &read); err != nil {
		return nil, err
	}
	next := repository{Last: e.ID}
	if doc != nil {
		next.Events, next.Stars = doc.Events, doc.Stars
	}
	if read.Repository != nil {
		next.Stars += read.Repository.Stars
	}
	next.Events += weight
	return &next, nil
}

// plain folds events in a loop.
func plain(t *testing.T, events []core.Event, weight int) map[string]string {
	folded := map[string]bool{}
	for _, kind := range kindsFolded {
		folded[kind] = true
	}
	documents, texts := map[string]*repository{}, map[string]string{}
	for i := range events {
		if !folded[events[i].Type] {
			continue
		}
		keys, err := keysOf(&events[i])
		require.NoError(t, err)
		for _, key := range keys {
			documents[key], err = fold(documents[key], &events[i], weight)
			require.NoError(t, err)
		}
	}
	for key, doc := range documents {
		if doc != nil {
			text, err := json.Marshal(doc)
			require.NoError(t, err)
			texts[key] = string(text)
		}
	}
	return texts
}
