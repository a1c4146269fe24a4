package rest

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// loopbackGuard keeps web pages away from a server that listens on loopback without keys: those of
// other sites by their origin, and those that point a name of their own at this machine (DNS
// rebinding) by the Host header.
func loopbackGuard(r *http.Request) *problem {
	if !isLoopback(r.Host) {
		return &problem{Code: "forbidden", Detail: "the Host " + quoted(clip(r.Host)) +
			" is not this machine's own; without keys only localhost is served"}
	}
	if err := crossOrigin.Check(r); err != nil {
		return &problem{Code: "forbidden", Detail: "a browser sent this from another site"}
	}
	return nil
}

// sessionGuard keeps pages of other sites from acting with the session that a browser has with App Service
// authentication. Who sends a token of its own was not sent by such a page: no other site can set that header.
func sessionGuard(r *http.Request) *problem {
	if r.Header.Get("Authorization") != "" {
		return nil
	}
	public := *r
	if host := r.Header.Get("X-Forwarded-Host"); host != "" { // where the host proxies, Host is this process's
		public.Host = host
	}
	if err := crossOrigin.Check(&public); err != nil {
		return &problem{Code: "forbidden", Detail: "a browser sent this from another site"}
	}
	return nil
}

// crossOrigin trusts no other origin.
var crossOrigin = http.NewCrossOriginProtection()

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
