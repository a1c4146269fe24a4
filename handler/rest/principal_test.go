package rest_test

import (
	"encoding/base64"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"eventstore/handler/rest"
)

const roleClaim = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"

// principalOf is the header as App Service authentication sets it. Without roles it is one of somebody unknown.
func principalOf(provider string, roles ...string) string {
	if roles == nil {
		provider = "github"
	}
	claims := []map[string]string{{"typ": "name", "val": "admin"}, {"typ": "aud", "val": "api://eventstore"}}
	for _, role := range roles {
		claims = append(claims, map[string]string{"typ": roleClaim, "val": role})
	}
	return encoded(map[string]any{"auth_typ": provider, "name_typ": "name", "role_typ": roleClaim, "claims": claims})
}

func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func TestWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.UnderHost, c.Entra = true, true })
	claims := func(roleType string, claims ...string) string {
		list := []map[string]string{}
		for i := 0; i < len(claims); i += 2 {
			list = append(list, map[string]string{"typ": claims[i], "val": claims[i+1]})
		}
		return encoded(map[string]any{"auth_typ": "aad", "role_typ": roleType, "claims": list})
	}
	for _, tt := range []struct {
		name, principal string
		status          int
	}{
		{"a reader by the claim that role_typ names", claims(roleClaim, roleClaim, "reader"), 200},
		{"a reader by the claim roles", claims(roleClaim, "roles", "reader"), 200},
		{"an admin", claims(roleClaim, "roles", "admin"), 200},
		{"a reader who has other applications' roles too", claims(roleClaim, "roles", "Orders.Read", "roles", "reader"), 200},
		{"a publisher, who does not read", claims(roleClaim, "roles", "publisher"), 403},
		{"somebody without roles", claims(roleClaim), 403},
		{"somebody called reader", claims(roleClaim, "name", "reader", "groups", "reader"), 403},
		{"a claim without a type where role_typ has none", claims("", "", "reader"), 403},
		{"a role in other letters", claims(roleClaim, "roles", "Reader"), 403},
		{"a reader of some topics, for all", claims(roleClaim, "roles", "reader:*"), 403},
		{"a role with a pattern that is none", claims(roleClaim, "roles", "reader:"), 403},
		{"another provider's user", principalOf("github", "reader"), 401},
		{"a principal without a provider", principalOf("", "reader"), 401},
		{"nothing", "", 401},
		{"no base64", "{}", 401},
		{"no JSON", "eyJh", 401},
		{"no object", encoded([]string{"reader"}), 401},
		{"claims twice", base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","claims":[],"claims":[{"typ":"roles","val":"reader"}]}`)), 401},
		{"two principals merged", principalOf("aad", "reader") + "," + principalOf("aad", "reader"), 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := a.get("/topics", "X-MS-CLIENT-PRINCIPAL", tt.principal)
			switch tt.status {
			case 401:
				got.problem(401, "unauthorized")
				require.Equal(t, `Bearer realm="eventstore"`, got.header.Get("WWW-Authenticate"))
			case 403:
				got.problem(403, "forbidden")
			default:
				got.is(200)
			}
		})
	}
	a.get("/topics").problem(401, "unauthorized")
	a.get("/topics", "x-functions-key", "any").problem(401, "unauthorized")
	require.Contains(t, a.get("/health", "X-MS-CLIENT-PRINCIPAL", principalOf("aad", "reader")).is(200).body, `"store"`)
	require.NotContains(t, a.get("/health", "X-MS-CLIENT-PRINCIPAL", principalOf("aad", "publisher")).is(200).body, `"store"`)
	require.NotContains(t, a.get("/health").is(200).body, `"store"`)
}

func TestAPrincipalIsBelievedOnlyWhereASettingSaysSo(t *testing.T) {
	t.Parallel()
	admin := []string{"X-MS-CLIENT-PRINCIPAL", principalOf("aad", "admin"), "X-MS-CLIENT-PRINCIPAL-ID", "1", "X-MS-CLIENT-PRINCIPAL-NAME", "a", "X-MS-CLIENT-PRINCIPAL-IDP", "aad"}
	local := newAPI(t, func(c *rest.Config) { c.Keys = []rest.Key{{Grant: rest.Grant{Role: rest.Admin}, Secret: "k"}} })
	local.get("/topics", admin...).problem(401, "unauthorized")
	require.NotContains(t, local.get("/health", admin...).is(200).body, `"store"`)
	hosted := newAPI(t, func(c *rest.Config) { c.UnderHost = true })
	require.NotContains(t, hosted.get("/health", admin...).is(200).body, `"store"`)
}

func TestOtherSitesDoNotActWithABrowsersSession(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) { c.UnderHost, c.Entra = true, true })
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"a program", nil, 200},
		{"a page of this site", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"a page of this site, by an old browser, where the host proxies", []string{"Origin", "https://store.example", "X-Forwarded-Host", "store.example"}, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site, by an old browser", []string{"Origin", "https://evil.example", "X-Forwarded-Host", "store.example"}, 403},
		{"another site that has a token of its own", []string{"Sec-Fetch-Site", "cross-site", "Authorization", "Bearer x"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := a.post("/topics", `{"name":"orders"}`, append(tt.headers, "X-MS-CLIENT-PRINCIPAL", principalOf("aad", "admin"))...)
			if tt.status == 403 {
				got.problem(403, "forbidden")
				return
			}
			require.Contains(t, []int{200, 201}, got.status, got.body)
		})
	}
}

func TestAGrantsTopics(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(c *rest.Config) {
		c.Keys = []rest.Key{{Grant: rest.Grant{Role: rest.Reader, Topics: "orders-*"}, Secret: "some"}, {Grant: rest.Grant{Role: rest.Admin}, Secret: "all"}}
	})
	a.post("/topics", `{"name":"orders-eu"}`, "x-functions-key", "all").is(201)
	a.get("/topics/orders-eu", "x-functions-key", "some").is(200)
	a.get("/topics/%6Frders-eu", "x-functions-key", "some").is(200)
	a.get("/topics/orders", "x-functions-key", "some").problem(403, "forbidden")
	a.get("/topics/xorders-eu", "x-functions-key", "some").problem(403, "forbidden")
	a.get("/topics/orders-%2Fx", "x-functions-key", "some").problem(403, "forbidden")
	a.get("/topics/orders-%2Fx", "x-functions-key", "all").problem(400, "invalid-topic")
	for _, text := range []string{"", "open", "Reader", "reader:", "reader: a", "reader:[a-z]", "reader:a?", `reader:\*`, "reader:a/b", "reader:A", "writer:a"} {
		_, err := rest.ParseGrant(text)
		require.Error(t, err, text)
	}
}
