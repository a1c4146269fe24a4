package webhook

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"eventstore/core"
)

// maxCallback is the most characters of a callback.
const maxCallback = 2048

// parse reads a callback as the policy allows it to be written. It is a
// [core.InvalidError] when it is no absolute http or https URL, and a [core.RefusedError]
// when it is one that the policy forbids whatever its name resolves to.
func (p Policy) parse(callback string) (*url.URL, error) {
	u, err := parseURL(callback)
	if err != nil {
		return nil, err
	}
	if err := checkHost(u.Hostname()); err != nil {
		return nil, err
	}
	if p == Any {
		return u, nil
	}
	return u, p.allow(u)
}

// parseURL reads an absolute URL without anything that has no business in a callback.
func parseURL(callback string) (*url.URL, error) {
	switch n := utf8.RuneCountInString(callback); {
	case callback == "":
		return nil, core.Invalid("callback", "is missing; it is an absolute URL such as https://example.com/hook")
	case n > maxCallback:
		return nil, core.Invalid("callback", "has %d characters; the most is %d", n, maxCallback)
	case strings.IndexFunc(callback, odd) >= 0:
		return nil, core.Invalid("callback", "%q has a character that a URL can't have as it is: percent-encode it, and write a name in its xn-- form", callback)
	}
	u, err := url.Parse(callback)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, core.Invalid("callback", "%q is not an absolute URL such as https://example.com/hook", callback)
	}
	if u.User != nil || strings.Contains(u.Host, "@") {
		return nil, core.Invalid("callback", "has a user before its host; a delivery is told by its signature")
	}
	if strings.Contains(callback, "#") {
		return nil, core.Invalid("callback", "%q has a fragment, which is never sent", callback)
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); strings.HasSuffix(u.Host, ":") || u.Port() != "" && (err != nil || port == 0) {
		return nil, core.Invalid("callback", "the port of %q is not one of 1 to 65535", u.Host)
	}
	return u, nil
}

// odd reports whether a URL can't have r as it is.
func odd(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

// checkHost refuses hosts that some resolvers read as an address and others as a name: the
// old ways to write IPv4 (2130706433, 0x7f.1, 0177.0.0.1, 127.1, 127.0.0.1.), and scoped IPv6.
func checkHost(host string) error {
	if strings.ContainsRune(host, '%') {
		return &core.RefusedError{Reason: "an address with a zone leads nowhere outside; leave the zone out"}
	}
	if _, err := netip.ParseAddr(host); err == nil || !endsInNumber(host) {
		return nil
	}
	return &core.RefusedError{Reason: "the host ends in a number but is no IPv4 address in the form 192.0.2.1"}
}

// endsInNumber is the URL standard's test for a host that must be an IPv4 address.
func endsInNumber(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// allow holds a URL against the policy Public, as far as that can be said without
// resolving its name.
func (p Policy) allow(u *url.URL) error {
	if u.Scheme != "https" {
		return &core.RefusedError{Reason: "only https is called here, not " + u.Scheme}
	}
	if port := u.Port(); port != "" && port != "443" && port != "8443" {
		return &core.RefusedError{Reason: "only the ports 443 and 8443 are called here, not " + port}
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return errForbidden
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return checkAddr(addr)
	}
	return nil
}
