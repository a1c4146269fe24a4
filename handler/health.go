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

	"github.com/spf13/cobra"
)

const (
	// healthTime bounds the question, so that who asks it at intervals is never behind.
	healthTime = 3 * time.Second
	// healthSize is more than any answer that says how many checks fail.
	healthSize = 1 << 20
)

func healthCommand(p process) *cobra.Command {
	var url string
	c := &cobra.Command{Use: "health", Short: "ask how an instance is; a key of a reader shows why", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return askHealth(c.Context(), p, url)
	}}
	c.Flags().StringVar(&url, "url", "", "the `address` of the instance (else EVENTSTORE_URL, else the one that these settings would start)")
	return c
}

// askHealth asks the instance at an address how it is; else the one at EVENTSTORE_URL, else the one that the settings of
// this process would start. It fails where that is unavailable or does not answer; degraded is no failure, since
// starting anew would not mend it.
func askHealth(ctx context.Context, p process, url string) (err error) {
	if url == "" {
		if url, err = instanceURL(p.getenv); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/health", nil)
	if err != nil {
		return fmt.Errorf("the address of the instance is not one such as http://127.0.0.1:8080")
	}
	if key := p.getenv("EVENTSTORE_KEY"); key != "" {
		request.Header.Set("x-functions-key", key)
	}
	answer, err := notRedirected.Do(request)
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

// notRedirected asks the instance alone: a key is not for where it may point.
var notRedirected = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

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
