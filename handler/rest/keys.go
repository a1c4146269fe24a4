package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Role is a right that a route needs.
type Role string

// The roles of API.md. An admin's key opens everything; a publisher's does not read.
const (
	Open      Role = "open" // no key
	Reader    Role = "reader"
	Publisher Role = "publisher"
	Admin     Role = "admin"
)

// Key is a secret and what it opens. One secret may be there several times, for several roles.
type Key struct {
	Role   Role
	Secret string
}

// keyring checks requests' keys in local mode; under the host, which does that itself, it has none
// and lets all pass.
type keyring []hashedKey

// hashedKey holds a key's digest, so that a comparison takes the same time whatever is sent.
type hashedKey struct {
	role   Role
	digest [sha256.Size]byte
}

func newKeyring(keys []Key) (ring keyring) {
	for _, key := range keys {
		ring = append(ring, hashedKey{key.Role, sha256.Sum256([]byte(key.Secret))})
	}
	return ring
}

// check reports why a request may not have a role's right: nil, if it may.
func (ring keyring) check(r *http.Request, role Role) *problem {
	if len(ring) == 0 || role == Open {
		return nil
	}
	secret := r.Header.Get("x-functions-key")
	if secret == "" {
		secret = r.URL.Query().Get("code")
	}
	known, granted := ring.grants(secret, role)
	switch {
	case granted:
		return nil
	case known:
		return &problem{Code: "forbidden", Detail: "the key is not one with the role " + string(role)}
	case secret == "":
		return &problem{Code: "unauthorized", Detail: "there is no key; send one in the header x-functions-key"}
	}
	return &problem{Code: "unauthorized", Detail: "the key is not known here"}
}

// grants compares a secret with every key, in the same time whichever it is.
func (ring keyring) grants(secret string, role Role) (known, granted bool) {
	digest := sha256.Sum256([]byte(secret))
	for i := range ring {
		equal := subtle.ConstantTimeCompare(digest[:], ring[i].digest[:]) == 1
		known = known || equal
		granted = granted || equal && (ring[i].role == role || ring[i].role == Admin)
	}
	return known, granted
}
