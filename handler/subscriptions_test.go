package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"eventstore/adapters/webhook"
	"eventstore/core/subscribers"
)

func TestCallbackSettings(t *testing.T) {
	t.Parallel()
	standard := subscribers.DefaultLadder()
	for _, tt := range []struct {
		name string
		env  []string
		want callbacks
	}{
		{"on this machine alone any address may be called", nil, callbacks{webhook.Any, standard, ""}},
		{"served to others only public ones may", []string{"EVENTSTORE_LISTEN", ":80", "EVENTSTORE_KEYS", "admin=a"}, callbacks{webhook.Public, standard, ""}},
		{"under the host only public ones may", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "WEBSITE_HOSTNAME", "shop.azurewebsites.net"},
			callbacks{webhook.Public, standard, "shop.azurewebsites.net"}},
		{"a setting decides", []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "1", "EVENTSTORE_CALLBACKS", "any"}, callbacks{webhook.Any, standard, ""}},
		{"either way", []string{"EVENTSTORE_CALLBACKS", "public"}, callbacks{webhook.Public, standard, ""}},
		{"a ladder", []string{"EVENTSTORE_RETRY", "0s, 1s,2m"}, callbacks{webhook.Any, subscribers.Ladder{0, time.Second, 2 * time.Minute}, ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := readSettings(environment(tt.env...))
			require.NoError(t, err)
			require.Equal(t, tt.want, got.callbacks)
		})
	}
}

func TestWrongCallbackSettingsStopTheStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"EVENTSTORE_CALLBACKS", "all", `EVENTSTORE_CALLBACKS is "all"; it is public (https on public addresses) or any (for development)`},
		{"EVENTSTORE_RETRY", "0s,soon", `EVENTSTORE_RETRY is "0s,soon"; "soon" is not a duration`},
		{"EVENTSTORE_RETRY", "0s,,5s", `EVENTSTORE_RETRY is "0s,,5s"; "" is not a duration`},
		{"EVENTSTORE_RETRY", "-1s", `EVENTSTORE_RETRY is "-1s"; "-1s" is not a duration`},
	} {
		_, err := readSettings(environment(tt.name, tt.value))
		require.ErrorContains(t, err, tt.want)
	}
}
