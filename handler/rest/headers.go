package rest

import "net/http"

// Values that every answer shares; a route that says more replaces its own.
var (
	nosniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	sameOrigin = []string{"same-origin"}
	noReferrer = []string{"no-referrer"}
)

// secure sets what keeps a browser from making more of an answer than it is: guessing another type, keeping it,
// running or framing it, showing it to other sites, or telling them its address.
func secure(h http.Header) {
	h["X-Content-Type-Options"] = nosniff
	h["Cache-Control"] = noStore
	h["Content-Security-Policy"] = noContent
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Referrer-Policy"] = noReferrer
}
