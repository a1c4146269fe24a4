package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// healthTime bounds the question, so that who asks it at intervals is never behind.
	healthTime = 3 * time.Second
	// healthSize is more than any answer that says how many checks fail.
	healthSize = 1 << 20
)

// askHealth asks a running instance how it is: the one at EVENTSTORE_URL, else the one that the settings of
// this process would start. It fails where that is unavailable or does not answer; degraded is no failure, since
// starting anew would not mend it.
func askHealth(ctx context.Context, p process, args []string) error {
	if err := noArguments(p, "health", args); err != nil {
		return err
	}
	url, err := instanceURL(p.getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return fmt.Errorf("EVENTSTORE_URL is not an instance's address such as http://127.0.0.1:8080")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, healthSize))
	if _, told := p.stdout.Write(body); err == nil {
		err = told
	}
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("the instance answered %s", answer.Status))
	}
	return err
}

// instanceURL is where the instance is.
func instanceURL(getenv func(string) string) (string, error) {
	if url := getenv("EVENTSTORE_URL"); url != "" {
		if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			return "", &settingError{"EVENTSTORE_URL", url, "it is an instance's address, such as http://127.0.0.1:8080"}
		}
		return strings.TrimSuffix(url, "/"), nil
	}
	s, err := readSettings(getenv)
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(s.listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), err
}
