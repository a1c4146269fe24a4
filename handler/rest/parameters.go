package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"eventstore/core"
	"eventstore/core/topics"
)

// parameters reads a query string of which only known names are allowed, each once and with a value.
// code and clientId are the Functions host's own and are left out.
func parameters(r *http.Request, known ...string) (map[string]string, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalidRequest("the query string", "does not parse: "+err.Error())
	}
	given := make(map[string]string, len(values))
	for name, all := range values {
		if name == "code" || name == "clientId" {
			continue
		}
		if reason := wrongParameter(name, all, known); reason != "" {
			return nil, invalidRequest("the parameter "+quoted(clip(name)), reason)
		}
		given[name] = all[0]
	}
	return given, nil
}

func wrongParameter(name string, values, known []string) (reason string) {
	switch {
	case !slices.Contains(known, name) && len(known) == 0:
		return "is not known; this path has none"
	case !slices.Contains(known, name):
		return "is not known; this path has " + strings.Join(known, ", ")
	case len(values) > 1:
		return "is repeated; several values of type, subject and tag are separated by commas"
	case values[0] == "":
		return "is empty; leave it out, or give it a value"
	case !utf8.ValidString(values[0]):
		return "is not valid UTF-8"
	}
	return ""
}

// noParameters refuses any query string but the host's own.
func noParameters(r *http.Request) error {
	_, err := parameters(r)
	return err
}

// numberParameter reads a whole number from least to most; otherwise where there is none.
func numberParameter(given map[string]string, name string, least, most, otherwise int64) (int64, error) {
	text, ok := given[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most || text[0] == '+' {
		return 0, invalidRequest(name, quoted(clip(text))+" is not a whole number from "+
			strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10))
	}
	return n, nil
}

func positionParameter(given map[string]string, name string) (core.Position, error) {
	n, err := numberParameter(given, name, 1, int64(core.MaxPosition), 0)
	return core.Position(n), err
}

func timeParameter(given map[string]string, name string) (time.Time, error) {
	text, ok := given[name]
	if !ok {
		return time.Time{}, nil
	}
	t, err := core.ParseBound(text)
	if err != nil && strings.Contains(text, " ") {
		return t, invalidRequest(name, err.Error()+" (a + in a query string is sent as %2B)")
	}
	if err != nil {
		return t, invalidRequest(name, err.Error())
	}
	return t, nil
}

// listParameter reads values separated by commas.
func listParameter(given map[string]string, name string) ([]string, error) {
	text, ok := given[name]
	if !ok {
		return nil, nil
	}
	values := strings.Split(text, ",")
	if slices.Contains(values, "") {
		return nil, invalidRequest(name, quoted(clip(text))+" has an empty value between its commas")
	}
	return values, nil
}

// topicName is the path's topic. Whatever is not a topic's name never gets near the storage.
func topicName(r *http.Request) (string, error) {
	name := r.PathValue("topic")
	if err := topics.CheckName(name); err != nil {
		return "", &problem{Code: "invalid-topic", Detail: err.Error()}
	}
	return name, nil
}

// quoted puts a text in quotes that show what is invisible in it.
func quoted(text string) string { return strconv.Quote(text) }
