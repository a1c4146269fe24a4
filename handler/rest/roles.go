package rest

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// Role is a right that a route needs.
type Role string

// The roles of API.md. An admin may do everything; a publisher does not read.
const (
	Open      Role = "open" // no key
	Reader    Role = "reader"
	Publisher Role = "publisher"
	Admin     Role = "admin"
)

// Grant is a role that somebody has.
type Grant struct {
	Role Role
	// Topics is a pattern of topics' names, in which * stands for any characters. With one the grant opens what
	// has a topic of such a name in its path, and nothing else; "" opens all that the role does.
	Topics string
}

// ParseGrant reads a grant: reader, publisher or admin, or one of these with a pattern, as in publisher:orders-*.
func ParseGrant(text string) (Grant, error) {
	role, pattern, narrowed := strings.Cut(text, ":")
	grant := Grant{Role(role), pattern}
	switch {
	case grant.Role != Reader && grant.Role != Publisher && grant.Role != Admin:
		return Grant{}, fmt.Errorf("the role is not reader, publisher or admin")
	case narrowed && !isPattern(pattern):
		return Grant{}, fmt.Errorf("a role's topics are a topic's name, in which * stands for any characters, as in %s:orders-*", role)
	}
	return grant, nil
}

// isPattern reports whether a text has the characters of topics' names and * alone.
func isPattern(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") == ""
}

// opens reports whether the grant is enough for a route with this topic in its path, or with none.
func (g Grant) opens(role Role, topic string) bool {
	if g.Role != role && g.Role != Admin {
		return false
	}
	if g.Topics == "" {
		return true
	}
	fits, err := path.Match(g.Topics, topic) // a pattern that does not parse fits nothing
	return fits && err == nil && topic != ""
}

// authority decides who may do what.
type authority interface {
	// check says why a request may not have a role's right, on a topic or, where that is "", on the whole instance.
	// nil: it may.
	check(r *http.Request, role Role, topic string) *problem
}

// newAuthority is the one that a configuration asks for.
func newAuthority(c *Config) authority {
	switch {
	case c.Entra:
		return principals{}
	case c.UnderHost:
		return hosted{}
	case len(c.Keys) > 0:
		return newKeyring(c.Keys)
	}
	return everyone{}
}

// everyone may do everything: local mode without keys.
type everyone struct{}

func (everyone) check(*http.Request, Role, string) *problem { return nil }

// hosted lets all pass that the Functions host has: it has checked the function's key. It does not on an open
// function, so nobody is known to be a reader there.
type hosted struct{}

func (hosted) check(*http.Request, Role, string) *problem { return nil }

// forbidden is the problem of somebody who is known and has not the right.
func forbidden(who string, role Role, topic string) *problem {
	detail := who + " has not the role " + string(role)
	if topic != "" {
		detail += " for the topic " + quoted(clip(topic))
	}
	return &problem{Code: "forbidden", Detail: detail}
}
