package rest

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
)

// principalHeader is where App Service authentication says who sent a request.
const principalHeader = "X-Ms-Client-Principal"

// principals takes roles from the claims of the principal that App Service authentication (Entra) has found out. It is
// right only where that module is on, for only there nobody else can set the header.
type principals struct{}

func (principals) check(r *http.Request, role Role, topic string) *problem {
	if role == Open {
		return nil
	}
	values := r.Header[principalHeader]
	if len(values) == 0 {
		return noPrincipal("nobody is signed in; send a token of this instance's Entra application")
	}
	found, ok := readPrincipal(strings.Join(values, ","))
	if !ok {
		return noPrincipal("who is signed in is not somebody whom Entra knows")
	}
	for _, grant := range found.grants() {
		if grant.opens(role, topic) {
			return nil
		}
	}
	return forbidden("who is signed in", role, topic)
}

func noPrincipal(detail string) *problem {
	return &problem{Code: "unauthorized", Detail: detail, Challenge: `Bearer realm="eventstore"`}
}

// principal is the header's JSON, in what is used of it.
type principal struct {
	Provider string  `json:"auth_typ"`
	RoleType string  `json:"role_typ"`
	Claims   []claim `json:"claims"`
}

type claim struct {
	Type  string `json:"typ"`
	Value string `json:"val"`
}

// readPrincipal reads the header's base64. ok is false for what Entra has not vouched for: another provider's
// roles are what its users call themselves. Two headers make no base64.
func readPrincipal(text string) (p principal, ok bool) {
	encoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return p, false
	}
	if err := json.Unmarshal(encoded, &p); err != nil {
		return p, false
	}
	return p, p.Provider == "aad"
}

// grants are the roles that the claims give. Values that are none of this store's belong to somebody else.
func (p *principal) grants() (grants []Grant) {
	for _, claim := range p.Claims {
		if claim.Type != "roles" && (claim.Type != p.RoleType || p.RoleType == "") {
			continue
		}
		if grant, err := ParseGrant(claim.Value); err == nil {
			grants = append(grants, grant)
		}
	}
	return grants
}

// strip takes away what App Service authentication would have said, where it says nothing: so nobody who makes it up
// is ever believed.
func strip(header http.Header) {
	for _, name := range []string{principalHeader, "X-Ms-Client-Principal-Id", "X-Ms-Client-Principal-Name", "X-Ms-Client-Principal-Idp"} {
		delete(header, name)
	}
}
