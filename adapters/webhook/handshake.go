package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"eventstore/core"
)

// Handshake asks a receiver, as the CloudEvents webhook specification says, whether origin
// may send it events, and how many a minute. A receiver that does not answer so within
// 3 s has not agreed, which is no error; a [core.RefusedError] is one.
func (s *Sender) Handshake(ctx context.Context, callback, origin string) (core.Permission, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	u, err := s.policy.parse(callback)
	if err != nil {
		return core.Permission{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodOptions, u.String(), nil)
	if err != nil {
		return core.Permission{}, &failure{"its URL can't be called", err}
	}
	setCommon(request.Header, origin)
	response, err := s.client.Do(request)
	if refused := (*core.RefusedError)(nil); errors.As(err, &refused) {
		return core.Permission{}, refused
	}
	if err != nil {
		return core.Permission{}, nil
	}
	_ = response.Body.Close()
	return permission(response.Header, origin), nil
}

// permission reads the answer's headers; its status means nothing here.
func permission(header http.Header, origin string) core.Permission {
	allowed := strings.TrimSpace(header.Get("WebHook-Allowed-Origin"))
	if allowed != "*" && !strings.EqualFold(allowed, origin) {
		return core.Permission{}
	}
	text := strings.TrimSpace(header.Get("WebHook-Allowed-Rate"))
	if text == "" || text == "*" {
		return core.Permission{Verified: true}
	}
	rate, err := strconv.ParseInt(text, 10, 32)
	if err != nil || rate < 1 {
		return core.Permission{}
	}
	return core.Permission{Verified: true, Rate: int(rate)}
}
