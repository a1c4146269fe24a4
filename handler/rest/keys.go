package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Key is a secret and what it opens. One secret may be there several times, with several grants.
type Key struct {
	Grant
	Secret string
}

// keyring checks requests' keys in local mode.
type keyring []hashedKey

// hashedKey holds a key's digest, so that a comparison takes the same time whatever is sent.
type hashedKey struct {
	grant  Grant
	digest [sha256.Size]byte
}

func newKeyring(keys []Key) (ring keyring) {
	for _, key := range keys {
		ring = append(ring, hashedKey{key.Grant, sha256.Sum256([]byte(key.Secret))})
	}
	return ring
}

func (ring keyring) check(r *http.Request, role Role, topic string) *problem {
	if role == Open {
		return nil
	}
	secret := r.Header.Get("x-functions-key")
	if secret == "" {
		secret = r.URL.Query().Get("code")
	}
	known, granted := ring.grants(secret, role, topic)
	switch {
	case granted:
		return nil
	case known:
		return forbidden("the key", role, topic)
	case secret == "":
		return unauthorized("there is no key; send one in the header x-functions-key")
	}
	return unauthorized("the key is not known here")
}

func unauthorized(detail string) *problem {
	return &problem{Code: "unauthorized", Detail: detail, Challenge: `Key realm="eventstore", header="x-functions-key"`}
}

// grants compares a secret with every key, in the same time whichever it is.
func (ring keyring) grants(secret string, role Role, topic string) (known, granted bool) {
	digest := sha256.Sum256([]byte(secret))
	for i := range ring {
		equal := subtle.ConstantTimeCompare(digest[:], ring[i].digest[:]) == 1
		known = known || equal
		granted = granted || equal && ring[i].grant.opens(role, topic)
	}
	return known, granted
}
