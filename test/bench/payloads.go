package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// realPayloads are events that hold the webhook payloads of GitHub that octokit collected.
func realPayloads() (bodies []string, err error) {
	dir, err := installed("@octokit/webhooks-examples")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "api.github.com/index.json"))
	if err != nil {
		return nil, err
	}
	var kinds []struct {
		Name     string           `json:"name"`
		Examples []jsontext.Value `json:"examples"`
	}
	if err := json.Unmarshal(text, &kinds); err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		for _, example := range kind.Examples {
			if err := example.Compact(); err != nil {
				return nil, err
			}
			bodies = append(bodies, fmt.Sprintf(`{"type":%q,"subject":"payload-%d","data":%s}`, kind.Name, len(bodies), example))
		}
	}
	return bodies, nil
}
