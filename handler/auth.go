package main

import (
	"strings"

	"eventstore/handler/rest"
)

// readAuth reads EVENTSTORE_AUTH. entra is refused where nothing vouches for the principal that a request names:
// everyone could be an admin by saying so.
func (s *settings) readAuth(getenv func(string) string) error {
	const name = "EVENTSTORE_AUTH"
	switch text := getenv(name); {
	case text == "" || text == "keys":
		return nil
	case text != "entra":
		return &settingError{name, text, "it is keys, or entra where App Service authentication stands before the Functions host"}
	case !s.underHost:
		return &settingError{name, text, "in local mode nothing stands before this server that vouches for who is signed in: leave it out, and use EVENTSTORE_KEYS"}
	case strings.EqualFold(getenv("WEBSITE_AUTH_ENABLED"), "false"):
		return &settingError{name, text, "App Service authentication is off, as WEBSITE_AUTH_ENABLED says: switch it on first"}
	}
	s.entra = true
	return nil
}

const keysForm = "it is admin=KEY,publisher=KEY,reader=KEY, or some of these; a role may be for some topics alone, as in publisher:orders-*=KEY"

// readKeys reads admin=KEY,publisher:orders-*=KEY,reader=KEY. A role may have several keys, and a key several roles.
func readKeys(text string) (keys []rest.Key, err error) {
	if text == "" {
		return nil, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		role, secret, _ := strings.Cut(strings.TrimSpace(pair), "=")
		grant, err := rest.ParseGrant(role)
		if err != nil || secret == "" {
			return nil, &settingError{"EVENTSTORE_KEYS", maskKeys(text), keysForm}
		}
		keys = append(keys, rest.Key{Grant: grant, Secret: secret})
	}
	return keys, nil
}

// maskKeys keeps roles and their topics alone.
func maskKeys(text string) string {
	var masked []string
	for pair := range strings.SplitSeq(text, ",") {
		role, _, found := strings.Cut(strings.TrimSpace(pair), "=")
		if _, err := rest.ParseGrant(role); err != nil || !found {
			role = "***" // it may be a key
		}
		masked = append(masked, role+"=***")
	}
	return strings.Join(masked, ",")
}
